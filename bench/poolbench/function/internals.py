"""Names that other packages keep to themselves, and that we use: checked before anything is measured.

Nobody has promised them. If one has gone or is no longer used, commands and pings would be counted wrongly
without anybody noticing.
"""

import inspect
from collections.abc import Callable, Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any

import pymysql.connections
from sqlalchemy.engine.default import DefaultDialect

# Whose names these are, and the version to go back to: the one in requirements.lock.
INTERNALS: Mapping[str, str] = MappingProxyType({"pymysql": "1.2.4", "sqlalchemy": "2.1.9"})
# Methods of PyMySQL's connections that send their command by `_execute_command`.
_PASSES_THROUGH = ("query", "ping", "select_db")


class ChangedInternals(RuntimeError):
    """A package no longer has what we use of its internals; the message says which, and what to install."""


def check_internals() -> None:
    """Look for every such name.

    Raises:
        ChangedInternals: one is missing.

    """
    connection: Any = pymysql.connections.Connection
    execute = getattr(connection, "_execute_command", None)
    counting = "with which commands are counted"
    if execute is None or len(inspect.signature(execute).parameters) != 3:
        raise _changed("pymysql", "Connection._execute_command(command, sql)", counting)
    for name in _PASSES_THROUGH:
        if not _uses(getattr(connection, name, None), "_execute_command"):
            raise _changed("pymysql", f"Connection._execute_command in Connection.{name}", counting)
    if not hasattr(connection, "_sock"):
        raise _changed("pymysql", "Connection._sock", "on which the strategy `keepalive` sets its options")
    if not _uses(getattr(DefaultDialect, "_do_ping_w_event", None), "do_ping"):
        name = "Dialect.do_ping in DefaultDialect._do_ping_w_event"
        raise _changed("sqlalchemy", name, "with which pings are counted")


def _uses(function: Callable[..., Any] | None, name: str) -> bool:
    """Whether a function calls something of that name; taken for granted if it is compiled."""
    if function is None:
        return False
    code = getattr(function, "__code__", None)
    return code is None or name in code.co_names


def _changed(package: str, missing: str, purpose: str) -> ChangedInternals:
    return ChangedInternals(
        f"{package} {metadata.version(package)} does not have {missing}, {purpose}: "
        f"pip install {package}=={INTERNALS[package]}"
    )
