"""How the records changed, and the one place where old ones become current ones.

History of the schema
---------------------
1. First version.
2. Rows: `thread`, of a burst's environments. Synced rows: `environments` and `threads` of the cell.
3. One number for rows, headers and sessions (headers were at 1). Columns have the names of what they hold:
   `endpoint` held the way to the database, and is now `route`; the second half of the A/A pair, `twin`, is
   `aa_control`; the requests without a database, `control`, are `baseline`; the state `steady` is `later`. In
   headers a cell's `gap_s` is `gap_asked_s`, as it was in rows, the proxy of a target is `proxy_settings` (in
   the lab) or `proxy_name` (on AWS), and a session's `labs_beside` are `other_labs`.

A column that is merely added needs no version: its default says what older records would have said.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

SCHEMA = 3

# Of rows and of cells alike; each name is renamed once, whatever version it came from.
RENAMED: Mapping[str, str] = MappingProxyType(
    {"endpoint": "route", "twin": "aa_control", "control": "baseline"}
)
REVALUED: Mapping[str, Mapping[str, str]] = MappingProxyType({"state": {"steady": "later"}})


class FromTheFuture(ValueError):
    """A record of a version that this poolbench does not know; the message says what to do."""


def is_current(version: Any) -> bool:
    """Whether a record's version is this one's; False: an older one, which can be upgraded.

    Raises:
        FromTheFuture: it is newer, or is not a version.

    """
    if not isinstance(version, int) or version < 1:
        raise FromTheFuture(f"its schema is {version!r}, which is not a version")
    if version > SCHEMA:
        raise FromTheFuture(
            f"its schema is {version}, and this poolbench reads up to {SCHEMA}: a newer one wrote it, so "
            "upgrade poolbench"
        )
    return version == SCHEMA


def upgraded_row(table: dict[str, Any]) -> dict[str, Any]:
    """Make a flat row of an older version one of the current; a current row stays as it is.

    Raises:
        FromTheFuture: it is newer, or is not a version.

    """
    if is_current(table.get("schema")):
        return table
    renamed = {RENAMED.get(name, name): value for name, value in table.items()}
    for name, values in REVALUED.items():
        if name in renamed:
            renamed[name] = values.get(renamed[name], renamed[name])
    return {**renamed, "schema": SCHEMA}


def upgraded_header(table: dict[str, Any]) -> dict[str, Any]:
    """Make a header of an older version one of the current; a current header stays as it is.

    Raises:
        FromTheFuture: it is newer, or is not a version.

    """
    if is_current(table.get("schema")):
        return table
    cells = table.get("cells")
    sessions = table.get("sessions")
    return {
        **table,
        "schema": SCHEMA,
        **({"cells": [_upgraded_cell(cell) for cell in cells]} if isinstance(cells, list) else {}),
        **({"sessions": [upgraded_session(one) for one in sessions]} if isinstance(sessions, list) else {}),
        **({"target": _upgraded_target(table["target"])} if isinstance(table.get("target"), dict) else {}),
    }


def upgraded_session(table: Any) -> Any:
    """Make a session of any older version one of the current; sessions carry no version of their own."""
    if not isinstance(table, dict) or "labs_beside" not in table:
        return table
    return {("other_labs" if name == "labs_beside" else name): value for name, value in table.items()}


def _upgraded_cell(cell: Any) -> Any:
    if not isinstance(cell, dict):
        return cell
    names = {**RENAMED, "gap_s": "gap_asked_s"}
    derived = ("label", "endpoint")  # from the cell's other fields
    return {names.get(name, name): value for name, value in cell.items() if name not in derived}


def _upgraded_target(target: dict[str, Any]) -> dict[str, Any]:
    if "proxy" not in target:
        return target
    proxy = target["proxy"]
    rest = {name: value for name, value in target.items() if name != "proxy"}
    return {**rest, ("proxy_settings" if isinstance(proxy, dict) else "proxy_name"): proxy}
