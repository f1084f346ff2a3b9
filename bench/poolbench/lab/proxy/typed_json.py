"""JSON read into dataclasses by their annotations, with errors that name the place. Pure."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


class WrongForm(ValueError):
    """JSON of another form than the dataclass; the message says where."""


def read(kind: Any, value: Any, at: str) -> Any:
    """Read what an annotation stands for.

    Args:
        kind: `str`, `bool`, `int`, `float`, `Path`, a StrEnum, a dataclass or `Mapping[str, ...]`; or one of
            them and None.
        value: as `json.loads` returns it.
        at: where it is, for the message.

    Raises:
        WrongForm: it is something else. The message does not show text, for it may be a password.

    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return None if value is None else read(arguments[0], value, at)
    if origin is Mapping:
        return {name: read(arguments[1], each, f"{at}.{name}") for name, each in _object(value, at).items()}
    if is_dataclass(kind):
        return read_dataclass(kind, value, at)
    if kind is Path:
        return Path(read(str, value, at))
    if issubclass(kind, StrEnum):
        if value not in list(kind):
            raise WrongForm(f"{at}: {value!r} is none of {', '.join(kind)}")
        return kind(value)
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):  # to Python a bool is an int
        raise WrongForm(f"{at}: {type(value).__name__} in place of {kind.__name__}")
    return value


def read_dataclass(kind: Any, value: Any, at: str = "", **given: Any) -> Any:
    """Read an object that has the fields of a dataclass, but for those `given`.

    Raises:
        WrongForm: a field is missing, unknown or wrong.

    """
    path = f"{at}." if at else ""
    data, hints = _object(value, at or "configuration"), get_type_hints(kind)
    known = {entry.name: entry for entry in fields(kind) if entry.name not in given}
    if unknown := sorted(data.keys() - known):
        raise WrongForm(f"unknown: {path}{unknown[0]}; there are {', '.join(known)}")
    for name, entry in known.items():
        if name not in data and entry.default is entry.default_factory is MISSING:
            raise WrongForm(f"{path}{name} is missing")
    return kind(**given, **{name: read(hints[name], each, f"{path}{name}") for name, each in data.items()})


def _object(value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WrongForm(f"{at}: {type(value).__name__} in place of an object")
    return value
