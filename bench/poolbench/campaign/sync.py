"""From a store's objects to a directory of Parquet that reports are made from."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from poolbench.campaign.journal import Journal
from poolbench.model.arrow import CLIENT_COLUMNS, CONNECTIONS, EVENTS, ROWS, upgrade, write_parquet
from poolbench.model.cell import Windows
from poolbench.model.columns import flat, unflat
from poolbench.model.header import read_header
from poolbench.model.history import upgraded_row
from poolbench.model.row import Row
from poolbench.store import Store


@dataclass(frozen=True, slots=True)
class Synced:
    """What came over."""

    rows: int
    uncounted: int  # of attempts that were left unfinished; in the file, but no part of any figure
    invalid: int  # not rows of the schema: in invalid.jsonl, with the reason
    finished_cells: int
    cells: int


def sync(journal: Journal, directory: Path) -> Synced:
    """Write header.json, invalid.jsonl and Parquet of rows, connections and events into `directory`.

    Nothing in the store changes, and a later sync of the same campaign replaces these files.

    Raises:
        KeyError: the store has no header of this campaign.
        StoreError: the store refused, or what it holds is damaged.

    """
    header = journal.header()
    factors = {cell.id: cell.factors() for cell in header.cells}
    finished = {cell: journal.finished(cell) for cell in sorted(factors.keys() & journal.finished_cells())}
    header = replace(header, sessions=journal.sessions(), finished=len(finished) == len(factors))
    rows: list[dict[str, Any]] = []
    invalid: list[dict[str, Any]] = []
    clients = {
        (cell, done.attempt, record.sequence): flat(record.client)
        for cell, done in finished.items()
        for record in done.invocations
    }
    for key in journal.keys("rows"):
        for line in _lines(journal, key):
            try:
                row = _parse(line)
                of_cell = factors[row["cell"]]
            except ValueError as error:
                invalid.append({"object": key, "problems": [str(error)], "line": line})
                continue
            except KeyError:
                invalid.append({"object": key, "problems": ["its cell is not in the header"], "line": line})
                continue
            client = clients.get((row["cell"], row["attempt"], row["sequence"]))
            seen = client or dict.fromkeys(CLIENT_COLUMNS)
            rows.append({**row, **of_cell, "counted": client is not None, **seen})
    windows = Windows(finished)
    table = pa.Table.from_pylist(rows, schema=ROWS)

    def placed(sample: dict[str, Any]) -> dict[str, Any]:
        cell, phase = windows.at(sample["wall_ns"])
        return sample | {"cell": cell, "phase": phase}

    connections = _series(journal, "connections", CONNECTIONS, placed)
    # Whoever does not remember how far the last slice got asks for all events again.
    events = _series(journal, "events", EVENTS, dict, once=True)
    directory.mkdir(parents=True, exist_ok=True)
    write_parquet(directory / "rows.parquet", table)
    write_parquet(directory / "connections.parquet", connections)
    write_parquet(directory / "events.parquet", events)
    _write_text(directory / "invalid.jsonl", "".join(json.dumps(entry) + "\n" for entry in invalid))
    _write_text(directory / "header.json", json.dumps(header.as_dict(), ensure_ascii=False, indent=1) + "\n")
    uncounted = sum(not row["counted"] for row in rows)
    return Synced(len(rows), uncounted, len(invalid), len(finished), len(header.cells))


def _lines(journal: Journal, key: str) -> list[str]:
    return journal.store.get(key).decode(errors="replace").splitlines()


def _series(
    journal: Journal,
    folder: str,
    schema: pa.Schema,
    complete: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    once: bool = False,
) -> pa.Table:
    """One table of all lines in a folder; with `once`, of lines that several objects have, the first."""
    tables, seen = [schema.empty_table()], set[str]()
    for key in journal.keys(folder):
        lines = [line for line in _lines(journal, key) if not (once and line in seen)]
        seen.update(lines)
        with journal.judging(key):
            entries = [complete(json.loads(line)) for line in lines]
            tables.append(pa.Table.from_pylist(entries, schema=schema))
    return pa.concat_tables(tables)


def _parse(line: str) -> dict[str, Any]:
    """Read a row of any version.

    Raises:
        ValueError: it is not one; the message says why.

    """
    try:
        table = json.loads(line)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(table, dict):
        raise ValueError("not an object")
    # A deployed function may be older than what reads its rows.
    return flat(unflat(Row, upgraded_row(table)))


def _write_text(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


class NotFinished(Exception):
    """The campaign has cells to come; what is published once cannot be replaced."""


def publish(directory: Path, store: Store) -> str:
    """Put a campaign's rows into `store`, and return the key: `requests/campaign=ID/rows.parquet`.

    Athena, or anything else that knows Hive's partitions, reads them there; the table in infra/template.yaml
    is over the store s3://BUCKET/parquet. Publishing again changes nothing.

    Args:
        directory: that `sync` wrote.
        store: for the Parquet of all campaigns.

    Raises:
        NotFinished: some of the campaign's cells are not.
        StoreError: the store refused, or holds other rows of this campaign.

    """
    header = read_header(directory)
    if not header.finished:
        raise NotFinished(
            f"campaign {header.campaign} is not finished: go on with `poolbench campaign ... --resume`, "
            "sync again, and then publish it"
        )
    key = f"requests/campaign={header.campaign}/rows.parquet"
    rows = directory / "rows.parquet"
    table = pq.read_table(rows)
    if table.schema.names == ROWS.names:
        store.put_new(key, rows.read_bytes())
        return key
    with tempfile.TemporaryDirectory() as folder:  # an earlier version synced it
        current = Path(folder) / rows.name
        write_parquet(current, upgrade(table).select(ROWS.names).cast(ROWS))
        store.put_new(key, current.read_bytes())
    return key
