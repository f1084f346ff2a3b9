"""The model as Parquet: schemas of a synced campaign's tables, and what makes a table of rows one.

Everything here is derived from the dataclasses, so a new column needs no line of its own.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from poolbench.model.cell import Cell, ClientView
from poolbench.model.columns import REQUIRED, Column, columns
from poolbench.model.history import RENAMED, REVALUED, SCHEMA
from poolbench.model.row import Row
from poolbench.model.series import CloudWatchValue, ConnectionSample, ProxyEvent

_PLAIN: Mapping[type, pa.DataType] = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_GLUE: Mapping[pa.DataType, str] = {pa.int64(): "bigint", pa.float64(): "double", pa.bool_(): "boolean"}


class NotRows(Exception):
    """A table whose columns are not those of rows; the message names them."""


def _of_cell() -> Mapping[str, Column]:
    text = Column(str, False, REQUIRED)
    own = {name: column for name, column in columns(Cell).items() if name != "id"}
    return {"label": text, "route": text, **own}


# By name: what the function measured, the factors of the cell, whether the attempt counts (False: it was
# left unfinished), and what the client saw, which is not known of attempts that do not count.
COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        **columns(Row),
        **_of_cell(),
        "counted": Column(bool, False, REQUIRED),
    }
)
CLIENT_COLUMNS = tuple(columns(ClientView))


def arrow_type(column: Column) -> pa.DataType:
    """Type of a column in Parquet; enums are text."""
    return _PLAIN.get(column.kind, pa.string())


def _schema(found: Mapping[str, Column]) -> pa.Schema:
    return pa.schema({name: arrow_type(column) for name, column in found.items()})


ROWS = _schema({**COLUMNS, **columns(ClientView)})
CONNECTIONS = _schema(columns(ConnectionSample))
EVENTS = _schema(columns(ProxyEvent))
CLOUDWATCH = _schema(columns(CloudWatchValue))
TEXT_COLUMNS = tuple(name for name, column in COLUMNS.items() if arrow_type(column) == pa.string())
_NEVER_NEGATIVE = tuple(
    name for name, column in COLUMNS.items() if name.endswith("_s") and column.kind is float
)


def glue_columns() -> list[dict[str, str]]:
    """Columns of the Glue table over published rows, whose partitions are the campaigns."""
    return [
        {"Name": field.name, "Type": _GLUE.get(field.type, "string")}
        for field in ROWS
        if field.name != "campaign"
    ]


def upgrade(table: pa.Table) -> pa.Table:
    """Bring rows of any known version to the current one; rows of unknown versions stay as they are.

    Missing columns that have a default are added with it.
    """
    if "schema" not in table.column_names:
        return table
    versions = pc.unique(table["schema"]).to_pylist()
    if any(isinstance(version, int) and 1 <= version < SCHEMA for version in versions):
        names = [RENAMED.get(name, name) for name in table.column_names]
        table = _revalued(table.rename_columns(names))
        older = pc.and_(pc.less(table["schema"], SCHEMA), pc.greater_equal(table["schema"], 1))
        current = pc.if_else(pc.fill_null(older, False), SCHEMA, table["schema"])
        table = table.set_column(table.column_names.index("schema"), "schema", current)
    for name, column in COLUMNS.items():
        if name not in table.column_names and column.default is not REQUIRED:
            default = column.default
            value = default.value if isinstance(default, StrEnum) else default
            table = table.append_column(name, pa.array([value] * len(table), arrow_type(column)))
    return table


def _revalued(table: pa.Table) -> pa.Table:
    for name, values in REVALUED.items():
        if name not in table.column_names:
            continue
        plain = table[name].cast(pa.string())
        for old, new in values.items():
            plain = pc.if_else(pc.fill_null(pc.equal(plain, old), False), new, plain)
        table = table.set_column(table.column_names.index(name), name, plain)
    return table


def conform(table: pa.Table) -> pa.Table:
    """Select the columns of a row, in order and with their types; texts become dictionaries.

    Raises:
        NotRows: a column is missing, or holds something that does not convert without loss.

    """
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise NotRows(f"no column {', '.join(missing)}")
    arrays = []
    for name, column in COLUMNS.items():
        found, kind = table[name], arrow_type(column)
        wanted = pa.dictionary(pa.int32(), pa.string()) if kind == pa.string() else kind
        try:
            arrays.append(found if found.type == wanted else found.cast(kind).cast(wanted))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise NotRows(f"column {name} is {found.type}, not {kind}: {error}") from None
    return pa.table(dict(zip(COLUMNS, arrays, strict=True)))


def violations(table: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Yield each reason for which lines of a conforming table are not rows, with a mask of those it fits."""
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


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table, whole or not at all.

    A time hardly ever comes twice, so a dictionary of times would be larger than they are; of all else it
    is what makes the file small.
    """
    repeated = [one.name for one in table.schema if one.type != pa.float64() and not one.name.endswith("_ns")]
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd", compression_level=9, use_dictionary=repeated)
    partial.replace(path)
