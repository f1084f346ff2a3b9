"""What the lost requests said, in the driver's own words."""

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from poolbench.report.settings import Setting

_ACCIDENTAL = (
    (re.compile(r"<(Task|Future) \w+[^<>]*(?:<[^<>]*>[^<>]*)*>"), r"<\1>"),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x…"),
    (re.compile(r"(?<=\d\.\d:)\d{2,5}\b|(?<=localhost:)\d{2,5}\b"), "…"),
    (re.compile(r"(?<=connection )\d+\b|(?<=thread )\d+\b"), "…"),
)
_WORDS = ["outcome", "error_class", "error_code", "error_message", "error_phase", "connection_invalidated"]


@dataclass(frozen=True, slots=True)
class Error:
    """One kind of error, all that is recorded of it being equal.

    Attributes:
        outcome: error or hang.
        error_class: of the driver's exception; empty if there was none.
        code: native code of the driver, None if it gave none.
        message: its shape: the text, less what differs each time, such as ports and addresses.
        phase: checkout, execute or reset; empty if the environment was killed.
        invalidated: SQLAlchemy's verdict on the connection, None if it made none.
        count: requests that ended so.
        labels: strategies that it happened to, with how often.

    """

    outcome: str
    error_class: str
    code: int | None
    message: str
    phase: str
    invalidated: bool | None
    count: int
    labels: dict[str, int]


def errors(setting: Setting) -> tuple[Error, ...]:
    """Every kind of error, the most frequent first."""
    rows = setting.select(["label", "lost", *_WORDS])
    lost = rows[rows["lost"]].astype({"connection_invalidated": object, "error_message": object})
    lost["error_message"] = lost["error_message"].map(shape, na_action="ignore")
    found = [
        _error(words, group)
        for words, group in lost.groupby(_WORDS, observed=True, dropna=False)
        if isinstance(words, tuple)
    ]
    return tuple(sorted(found, key=lambda error: -error.count))


def shape(message: str) -> str:
    """What messages of one kind have in common: numbers of ports and tasks and addresses left out."""
    for pattern, instead in _ACCIDENTAL:
        message = pattern.sub(instead, message)
    return message


def _error(words: tuple[Any, ...], group: pd.DataFrame) -> Error:
    outcome, error_class, code, message, phase, invalidated = (
        None if pd.isna(word) else word for word in words
    )
    counts = group["label"].value_counts()
    return Error(
        str(outcome),
        str(error_class or ""),
        None if code is None else int(code),
        str(message or ""),
        str(phase or ""),
        None if invalidated is None else bool(invalidated),
        len(group),
        {str(label): int(number) for label, number in counts[counts > 0].items()},
    )
