"""TOML tables into frozen dataclasses, strictly, with messages that name the key and the nearest one."""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


class BadCampaign(ValueError):
    """A campaign file that cannot be run as it stands; the message names the key and the cure."""


def unknown(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is not among the known ones."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"unknown {name!r}: " + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}")


def build(cls: type[Any], table: Mapping[str, Any], path: str = "") -> Any:
    """Make a dataclass from a TOML table; `path` is the table's own, for messages.

    Raises:
        BadCampaign: a key is unknown, missing, or of another type.

    """
    kinds = get_type_hints(cls)
    for key in table:
        if key not in kinds:
            raise BadCampaign(f"{path.rstrip('.') or 'top level'}: {unknown(key, kinds)}")
    values = {}
    for field in fields(cls):
        if field.name in table:
            values[field.name] = _convert(kinds[field.name], table[field.name], f"{path}{field.name}")
        elif field.default is MISSING:
            raise BadCampaign(f"{path}{field.name} is missing")
    return cls(**values)


def _convert(kind: Any, value: Any, path: str) -> Any:
    if get_origin(kind) is UnionType:  # with None, for a table that may be left out
        kind = get_args(kind)[0]
    if get_origin(kind) is tuple and isinstance(value, list):
        part = get_args(kind)[0]
        return tuple(_convert(part, element, f"{path}[{i}]") for i, element in enumerate(value))
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        return build(kind, value, f"{path}.")
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise BadCampaign(f"{path} is {value}, not a finite number")
        return float(value)
    if kind in (str, int, float, bool) and type(value) is kind:  # a bool is no int here
        return value
    wanted = "a list" if get_origin(kind) is tuple else "a table" if is_dataclass(kind) else kind.__name__
    raise BadCampaign(f"{path} is {value!r}, not {wanted}")
