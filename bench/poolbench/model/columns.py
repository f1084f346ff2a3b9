"""Dataclasses of dataclasses as flat tables: which columns a record has, and how it becomes one and back.

A field whose type is a dataclass is a part of the record: its fields become columns, with the field's prefix.
An optional dataclass is a value, not a part, and stays nested. Adding a column is adding a field, with a
default if records were already written without it.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from enum import StrEnum
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from poolbench.typed import BadValue, build, unknown

T = TypeVar("T")


def part(prefix: str) -> Any:
    """Declare a part of a record whose columns get a prefix, because the record has several of its kind."""
    return field(metadata={"prefix": prefix})


@dataclass(frozen=True, slots=True)
class Column:
    """What a column may hold.

    Attributes:
        kind: `int`, `float`, `bool`, `str` or a StrEnum.
        nullable: whether it may hold nothing.
        default: what a record that was written before the column existed would have said; MISSING: the column
            is as old as the record.

    """

    kind: type
    nullable: bool
    default: Any

    @property
    def values(self) -> tuple[str, ...] | None:
        """All that an enum allows; None for other kinds."""
        return tuple(self.kind) if issubclass(self.kind, StrEnum) else None


def _columns(record: Any) -> Mapping[str, Column]:
    """Every column of a record, in the order of its fields."""
    found: dict[str, Column] = {}
    for one, kind in _fields(record):
        if is_dataclass(kind):
            inner = columns(kind)
            found |= {f"{_prefix(one)}{name}": column for name, column in inner.items()}
            continue
        kinds = get_args(kind) or (kind,)
        plain = next(each for each in kinds if each is not NoneType)
        found[one.name] = Column(plain, NoneType in kinds, one.default)
    return found


columns: Callable[[Any], Mapping[str, Column]] = functools.cache(_columns)


def flat(record: Any) -> dict[str, Any]:
    """Make a flat table of a record, of plain JSON types."""
    table: dict[str, Any] = {}
    for one, kind in _fields(type(record)):
        value = getattr(record, one.name)
        if is_dataclass(kind):
            prefix = _prefix(one)
            table |= {f"{prefix}{name}": each for name, each in flat(value).items()}
        else:
            table[one.name] = flat(value) if is_dataclass(value) else value
    return table


def unflat(record: type[T], table: Mapping[str, Any]) -> T:
    """Make a record of a flat table; the inverse of `flat`.

    Raises:
        BadValue: a column is missing, unknown or of another type; the message names all that are.

    """
    known = columns(record)
    extra = [unknown(str(name), known) for name in table if name not in known]
    try:
        made = build(record, _nested(record, table, ""))
    except BadValue as error:
        raise BadValue("; ".join([*extra, str(error)])) from None
    if extra:
        raise BadValue("; ".join(extra))
    return made


def _nested(record: Any, table: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one, kind in _fields(record):
        if is_dataclass(kind):
            found[one.name] = _nested(kind, table, f"{prefix}{_prefix(one)}")
        elif (name := f"{prefix}{one.name}") in table:
            found[one.name] = table[name]
    return found


def _read_fields(record: Any) -> tuple[tuple[Any, Any], ...]:
    hints = get_type_hints(record)
    return tuple((one, hints[one.name]) for one in fields(record))


_fields: Callable[[Any], tuple[tuple[Any, Any], ...]] = functools.cache(_read_fields)


def _prefix(one: Any) -> str:
    prefix: str = one.metadata.get("prefix", "")
    return prefix


REQUIRED = MISSING
