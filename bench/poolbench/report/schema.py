"""What a row of rows.parquet must be; the one place where rows of older versions become current ones."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType, NoneType
from typing import Any, get_args, get_type_hints

import pyarrow as pa
import pyarrow.compute as pc

from poolbench.function.record import ADDED, SCHEMA, Row
from poolbench.synced import FACTORS, arrow_type

Upgrade = Callable[[pa.Table], pa.Table]


class NotRows(Exception):
    """A table whose columns are not those of rows; the message names them."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a column may hold."""

    type: pa.DataType
    nullable: bool = False
    values: tuple[str, ...] | None = None  # of an enum


def _column(kind: Any) -> Column:
    parts = get_args(kind) or (kind,)
    enums = [part for part in parts if isinstance(part, type) and issubclass(part, StrEnum)]
    return Column(arrow_type(kind), NoneType in parts, tuple(enums[0]) if enums else None)


COLUMNS: Mapping[str, Column] = MappingProxyType(
    {name: _column(kind) for name, kind in get_type_hints(Row).items()}
    | {name: Column(kind) for name, kind in FACTORS.items()}
)
TEXT_COLUMNS = tuple(name for name, column in COLUMNS.items() if column.type == pa.string())
_NEVER_NEGATIVE = tuple(
    name for name, column in COLUMNS.items() if name.endswith("_s") and column.type == pa.float64()
)


def _one_thread(table: pa.Table) -> pa.Table:
    """Every request of version 1 was the only one at its time."""
    for name, value in {**ADDED[2], "environments": 1, "threads": 1}.items():
        table = table.append_column(name, pa.array([value] * len(table), pa.int64()))
    return table


# Version -> how its rows become the next version's.
UPGRADES: Mapping[int, Upgrade] = MappingProxyType({1: _one_thread})


def upgrade(table: pa.Table) -> pa.Table:
    """Bring rows of any known version to the current one; rows of unknown versions stay as they are."""
    if "schema" not in table.column_names:
        return table
    versions = [version for version in pc.unique(table["schema"]).to_pylist() if version is not None]
    if versions == [SCHEMA] or not any(version in UPGRADES for version in versions):
        return table
    parts = [table.filter(pc.equal(table["schema"], version)) for version in versions]
    return pa.concat_tables([_upgrade(part, version) for part, version in zip(parts, versions, strict=True)])


def _upgrade(table: pa.Table, version: int) -> pa.Table:
    while version in UPGRADES:
        table, version = UPGRADES[version](table), version + 1
        versions = pa.array([version] * len(table), pa.int64())
        table = table.set_column(table.column_names.index("schema"), "schema", versions)
    return table


def conform(table: pa.Table) -> pa.Table:
    """Select the columns of a row, in order and with their types; texts stay dictionaries if they are.

    Raises:
        NotRows: a column is missing, or holds something that does not convert without loss.

    """
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise NotRows(f"no column {', '.join(missing)}")
    arrays = []
    for name, column in COLUMNS.items():
        found = table[name]
        wanted = column.type
        if wanted == pa.string():
            wanted = pa.dictionary(pa.int32(), pa.string())
        try:
            arrays.append(found if found.type == wanted else found.cast(column.type).cast(wanted))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise NotRows(f"column {name} is {found.type}, not {column.type}: {error}") from None
    return pa.table(dict(zip(COLUMNS, arrays, strict=True)))


def violations(table: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Yield each reason for which rows of a conforming table are no rows, with a mask of those it fits."""
    for name, column in COLUMNS.items():
        found = table[name]
        if found.null_count and not column.nullable:
            yield f"{name} is missing", pc.is_null(found)
        if column.values is not None:
            plain = found.cast(pa.string())
            known = pc.is_in(plain, value_set=pa.array(column.values))
            if not pc.all(known).as_py():
                yield f"{name} is none of {', '.join(column.values)}", pc.invert(known)
    versions = pc.fill_null(pc.not_equal(table["schema"], SCHEMA), False)
    if pc.any(versions).as_py():
        yield f"schema is not {SCHEMA}, nor one that can be upgraded", versions
    for name in _NEVER_NEGATIVE:
        lowest = pc.min(table[name]).as_py()
        if lowest is not None and lowest < 0:
            yield f"{name} is negative", pc.fill_null(pc.less(table[name], 0), False)
