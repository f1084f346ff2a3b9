"""From a store's objects to a directory of Parquet that reports are made from."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from poolbench.campaign.journal import Journal
from poolbench.campaign.window import Windows
from poolbench.function.record import FIELDS, upgraded, validate
from poolbench.synced import CLIENT, CONNECTIONS, EVENTS, FACTORS, ROWS, write_parquet

_ALONE = {"environments": 1, "threads": 1}  # where a cell says nothing of them, it had one of each


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
    header = journal.read("header")
    with journal.judging(f"{journal.campaign}/header.json"):
        factors = {cell["id"]: _factors(cell) for cell in header["cells"]}
    done = sorted(factors.keys() & journal.finished_cells())
    finished = {cell: journal.read(f"cells/{cell}") for cell in done}
    header["sessions"] = journal.sessions()
    header["finished"] = len(finished) == len(factors)
    rows: list[dict[str, Any]] = []
    invalid: list[dict[str, Any]] = []
    clients = {
        (cell, *seen): client
        for cell, content in finished.items()
        for seen, client in _clients(journal, cell, content)
    }
    for key in journal.keys("rows"):
        for line in _lines(journal, key):
            row, problems = _parse(line)
            if row is None or problems or row["cell"] not in factors:
                problems = problems or ["its cell is not in the header"]
                invalid.append({"object": key, "problems": problems, "line": line})
                continue
            client = clients.get((row["cell"], row["attempt"], row["sequence"]))
            rows.append(
                {
                    **{name: row[name] for name in FIELDS},
                    **factors[row["cell"]],
                    "counted": client is not None,
                    **(client or dict.fromkeys(CLIENT)),
                }
            )
    with journal.judging(f"{journal.campaign}/cells"):
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
    _write_text(directory / "header.json", json.dumps(header, ensure_ascii=False, indent=1) + "\n")
    uncounted = sum(not row["counted"] for row in rows)
    return Synced(len(rows), uncounted, len(invalid), len(finished), len(header["cells"]))


def _factors(cell: dict[str, Any]) -> dict[str, Any]:
    known = _ALONE | cell | {"gap_asked_s": cell["gap_s"]}
    return {name: known[name] for name in FACTORS if name != "counted"}


def _clients(
    journal: Journal, cell: str, content: dict[str, Any]
) -> list[tuple[tuple[int, int], dict[str, Any]]]:
    """By attempt and sequence: what the client saw of each invocation of a finished cell."""
    with journal.judging(f"{journal.campaign}/cells/{cell}.json"):
        return [
            ((content["attempt"], invocation["sequence"]), {name: invocation[name] for name in CLIENT})
            for invocation in content["invocations"]
        ]


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


def _parse(line: str) -> tuple[dict[str, Any] | None, list[str]]:
    try:
        row = json.loads(line)
    except ValueError as error:
        return None, [f"not JSON: {error}"]
    if not isinstance(row, dict):
        return None, ["not an object"]
    row = upgraded(row)  # a deployed function may be older than who reads its rows
    return row, validate(row)


def _write_text(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
