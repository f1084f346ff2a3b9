"""Damage to a campaign directory, as tests need it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.report.synthetic import Shape, write_campaign

SMALL = Shape(strategies=("queuepool", "pre_ping"), gaps=(0.5, 1.5), replicates=1, rounds=2, gaps_per_round=1)


def small_campaign(directory: Path, **changes: Any) -> Path:
    """The least that has everything: 96 rows."""
    return write_campaign(directory, Shape(**{**vars_of(SMALL), **changes}))


def vars_of(shape: Shape) -> dict[str, Any]:
    return {name: getattr(shape, name) for name in Shape.__dataclass_fields__}


def edit_header(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = directory / "header.json"
    header = json.loads(path.read_text())
    change(header)
    path.write_text(json.dumps(header))


def edit_rows(directory: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    path = directory / "rows.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def keep_only(directory: Path, fits: Callable[[dict[str, Any]], bool]) -> None:
    def drop(rows: list[dict[str, Any]]) -> None:
        rows[:] = filter(fits, rows)

    edit_rows(directory, drop)


def edit_table(directory: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    path = directory / "rows.parquet"
    pq.write_table(change(pq.read_table(path)), path)


def spoiled_campaign(directory: Path) -> None:
    """One whose description, a strategy and an error are markup, for browsers and for charts."""
    small_campaign(directory)
    edit_header(directory, lambda header: header.update(description="<script>alert(1)</script>"))

    def spoil(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["label"] == "pre_ping":
                row["label"] = "<img src=x onerror=alert(2)>:$\\frac{$"
            if row["error_message"]:
                row["error_message"] = "<script>alert(3)</script>"

    edit_rows(directory, spoil)
