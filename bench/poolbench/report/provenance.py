"""The header of a campaign: what it was run with, and in what two of them differ."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = 1  # of header.json
_REQUIRED = ("schema", "campaign", "target", "server", "versions", "machine", "cells", "sessions", "finished")
_SETTINGS = ("target", "server", "versions", "machine", "request", "drivers")  # to agree on, if rows are one
_MAY_LACK = ("request.", "drivers.")
_FACTOR = "request.workload"  # it tells settings apart, and not campaigns


class BadHeader(Exception):
    """header.json is missing or is none; the message says how."""


@dataclass(frozen=True, slots=True)
class Header:
    """A checked header.json."""

    content: dict[str, Any]

    @property
    def campaign(self) -> str:
        """Id of the campaign."""
        return str(self.content["campaign"])

    @property
    def timeout_s(self) -> float:
        """The proxy's idle client timeout."""
        return float(self.content["target"]["idle_client_timeout_s"])

    @property
    def added_rtt_s(self) -> float:
        """Round-trip time that the lab added; 0 on AWS, where the network has its own."""
        return float(self.content["target"].get("added_rtt_s") or 0)

    @property
    def is_local(self) -> bool:
        """Whether it was run against the lab, and not on AWS."""
        return bool(self.content["target"].get("kind") != "aws")

    def settings(self) -> dict[str, Any]:
        """Everything that must agree for rows to be pooled, by dotted name."""
        return {
            name: value
            for part in _SETTINGS
            for name, value in flatten(self.content.get(part, {}), f"{part}.").items()
            if name != _FACTOR
        }


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves of nested objects by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def read_header(directory: Path) -> Header:
    """Read and check header.json.

    Raises:
        BadHeader: it is missing, half-written, or of a version that is not known.

    """
    path = directory / "header.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadHeader(f"{path} is missing: is this a synced campaign? (see `poolbench sync`)") from None
    except (OSError, ValueError) as error:
        raise BadHeader(f"{path} cannot be read: {error}; sync the campaign again") from None
    missing = [key for key in _REQUIRED if key not in content] if isinstance(content, dict) else ["an object"]
    if missing:
        raise BadHeader(f"{path} lacks {', '.join(missing)}: sync the campaign again")
    if content["schema"] != SCHEMA:
        raise BadHeader(f"{path} is of version {content['schema']!r}, and this poolbench reads {SCHEMA}")
    if not isinstance(content["target"].get("idle_client_timeout_s"), (int, float)):
        raise BadHeader(f"{path}: target.idle_client_timeout_s is not a number, and gaps are relative to it")
    return Header(content)


def differences(headers: Sequence[Header]) -> dict[str, list[Any]]:
    """Settings that are not the same in all headers: dotted name -> its value in each.

    A driver that one campaign did without, and a part that an older header does not have, is no difference.
    """
    settings = [header.settings() for header in headers]
    names = dict.fromkeys(name for one in settings for name in one)
    values = {name: [one.get(name) for one in settings] for name in names}
    return {name: found for name, found in values.items() if _differ(name, found)}


def _differ(name: str, values: Sequence[Any]) -> bool:
    told = [value for value in values if value is not None or not name.startswith(_MAY_LACK)]
    return any(value != told[0] for value in told)
