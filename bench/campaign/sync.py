"""From a store's objects to a directory of Parquet that reports are made from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.campaign.journal import Journal
from bench.campaign.window import Windows
from bench.function.record import FIELDS, upgraded, validate
from bench.store import StoreError
from bench.synced import CLIENT, CONNECTIONS, EVENTS, FACTORS, ROWS, write_parquet

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
    if "cells" not in header:
        raise StoreError(f"store {journal.store.url}: {journal.campaign}/header.json is no campaign's header")
    finished = {cell: journal.read(f"cells/{cell}") for cell in sorted(journal.finished_cells())}
    header["sessions"] = journal.sessions()
    header["finished"] = len(finished) == len(header["cells"])
    rows: list[dict[str, Any]] = []
    invalid: list[dict[str, Any]] = []
    factors = {cell["id"]: _factors(cell) for cell in header["cells"]}
    clients = {
        (cell, content["attempt"], invocation["sequence"]): invocation
        for cell, content in finished.items()
        for invocation in content["invocations"]
    }
    for key, line in _lines(journal, "rows"):
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
                **{name: client[name] if client else None for name in CLIENT},
            }
        )
    windows = Windows(finished)
    samples = [_loaded(journal, key, line) for key, line in _lines(journal, "connections")]
    for sample in samples:
        sample["cell"], sample["phase"] = windows.at(sample["wall_ns"])
    # Whoever does not remember how far the last slice got asks for all events again.
    slices = {line: key for key, line in _lines(journal, "events")}
    events = [_loaded(journal, key, line) for line, key in slices.items()]
    directory.mkdir(parents=True, exist_ok=True)
    write_parquet(directory / "rows.parquet", pa.Table.from_pylist(rows, schema=ROWS))
    write_parquet(directory / "connections.parquet", pa.Table.from_pylist(samples, schema=CONNECTIONS))
    write_parquet(directory / "events.parquet", pa.Table.from_pylist(events, schema=EVENTS))
    _write_text(directory / "invalid.jsonl", "".join(json.dumps(entry) + "\n" for entry in invalid))
    _write_text(directory / "header.json", json.dumps(header, ensure_ascii=False, indent=1) + "\n")
    uncounted = sum(not row["counted"] for row in rows)
    return Synced(len(rows), uncounted, len(invalid), len(finished), len(header["cells"]))


def _factors(cell: dict[str, Any]) -> dict[str, Any]:
    known = _ALONE | cell | {"gap_asked_s": cell["gap_s"]}
    return {name: known[name] for name in FACTORS if name != "counted"}


def _lines(journal: Journal, folder: str) -> Iterator[tuple[str, str]]:
    for key in journal.store.list_keys(f"{journal.campaign}/{folder}/"):
        for line in journal.store.get(key).decode(errors="replace").splitlines():
            yield key, line


def _loaded(journal: Journal, key: str, line: str) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise StoreError(f"store {journal.store.url}: {key} is damaged: {error}") from error
    return loaded


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
