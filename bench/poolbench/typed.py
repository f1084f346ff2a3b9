"""Plain tables, as JSON and TOML have them, into dataclasses: strictly, by their annotations.

The bottom floor: it imports nothing of the project, and everything that reads a file, an event or an object
of the store goes through it.
"""

import difflib
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
_INT64 = range(-(2**63), 2**63)  # what Parquet, and everything behind it, can hold


class BadValue(ValueError):
    """A table that does not fit the dataclass; the message names every key that is wrong, and the cure."""


def unknown(name: str, known: Iterable[str]) -> str:
    """Describe a name that is not among the known ones: the nearest one, or all of them."""
    names = [str(each) for each in known]
    near = difflib.get_close_matches(name, names, n=1)
    return f"unknown {name!r}: " + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}")


def build(cls: type[T], table: Any, path: str = "", **given: Any) -> T:
    """Make a dataclass from a table.

    Args:
        cls: a dataclass. Fields without a default are required. Values of fields with `repr=False` are
            secrets and appear in no message.
        table: as `json.loads` or `tomllib.loads` return it.
        path: of the table itself, for messages.
        given: fields that the table does not hold, with their values.

    Raises:
        BadValue: a key is unknown or missing, or its value has another type.

    """
    if not isinstance(table, dict):
        raise BadValue(f"{path or 'top level'} is {type(table).__name__}, not a table")
    problems: list[str] = []
    values: dict[str, Any] = {}
    known = {name: found for name, found in _fields(cls).items() if name not in given}
    problems += [f"{path or 'top level'}: {unknown(str(key), known)}" for key in table if key not in known]
    for name, (field, kind) in known.items():
        at = f"{path}.{name}" if path else name
        if name in table:
            try:
                values[name] = _convert(kind, table[name], at, show=field.repr)
            except BadValue as error:
                problems.append(str(error))
        elif field.default is field.default_factory is MISSING:
            problems.append(f"{at} is missing")
    if problems:
        raise BadValue("; ".join(problems))
    return cls(**values, **given)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves of nested tables by their dotted names."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        leaves |= flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return leaves


def _read_fields(cls: Any) -> Mapping[str, tuple[Field[Any], Any]]:
    hints = get_type_hints(cls)
    return {field.name: (field, hints[field.name]) for field in fields(cls)}


_fields: Callable[[Any], Mapping[str, tuple[Field[Any], Any]]] = functools.cache(_read_fields)


def _convert(kind: Any, value: Any, path: str, *, show: bool) -> Any:
    if kind is Any or (type(value) is kind and kind in (str, bool)):
        return value
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        if value is None and NoneType in arguments:
            return None
        return _convert(next(part for part in arguments if part is not NoneType), value, path, show=show)
    if origin in (list, tuple) and isinstance(value, (list, tuple)):
        return origin(
            _convert(arguments[0], part, f"{path}[{at}]", show=show) for at, part in enumerate(value)
        )
    if origin in (dict, Mapping) and isinstance(value, dict):
        kind_of = arguments[1]
        return {key: _convert(kind_of, each, f"{path}.{key}", show=show) for key, each in value.items()}
    if isinstance(kind, type):
        if is_dataclass(kind) and isinstance(value, dict):
            return build(kind, value, path)
        if issubclass(kind, StrEnum):
            if value in tuple(kind):
                return kind(value)
            raise BadValue(f"{path}: {unknown(str(value), kind)}")
        if kind is Path and isinstance(value, str):
            return Path(value)
        if kind in (int, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
            return _number(kind, value, path)
    raise BadValue(f"{path} is {repr(value) if show else type(value).__name__}, not {_name(kind, origin)}")


def _number(kind: type[int] | type[float], value: float, path: str) -> float:
    if kind is float:
        if not math.isfinite(value):
            raise BadValue(f"{path} is {value}, not a finite number")
        return float(value)
    if isinstance(value, float):
        raise BadValue(f"{path} is {value!r}, not int")
    if value not in _INT64:
        raise BadValue(f"{path} is {value}, which does not fit into 64 bits")
    return value


def _name(kind: Any, origin: Any) -> str:
    if origin in (list, tuple):
        return "a list"
    if origin in (dict, Mapping) or is_dataclass(kind):
        return "a table"
    return str(getattr(kind, "__name__", kind))
