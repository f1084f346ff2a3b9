"""In what the headers of several campaigns differ."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from poolbench.model.header import Header
from poolbench.typed import flatten

_SETTINGS = ("target", "server", "versions", "machine", "request", "drivers")  # to agree on, if rows are one
_MAY_LACK = ("request.", "drivers.")
_FACTOR = "request.workload"  # it tells settings apart, and not campaigns


def settings(header: Header) -> dict[str, Any]:
    """Everything that must agree for rows to be pooled, by dotted name."""
    parts = {name: value for name, value in asdict(header).items() if name in _SETTINGS}
    return {name: value for name, value in flatten(parts).items() if name != _FACTOR}


def differences(headers: Sequence[Header]) -> dict[str, list[Any]]:
    """Settings that are not the same in all headers: dotted name -> its value in each.

    A driver that one campaign did without does not count as a difference.
    """
    found = [settings(header) for header in headers]
    names = dict.fromkeys(name for one in found for name in one)
    values = {name: [one.get(name) for one in found] for name in names}
    return {name: each for name, each in values.items() if _differ(name, each)}


def _differ(name: str, values: Sequence[Any]) -> bool:
    told = [value for value in values if value is not None or not name.startswith(_MAY_LACK)]
    return any(value != told[0] for value in told)
