"""What a session has set, as far as the proxy tracks it, and how to make another session equal. Pure.

RDS Proxy tracks the default schema, autocommit and a list of variables: sessions share a database connection
only while these agree, and the proxy brings a connection into line before it hands it on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from pymysql.constants import COMMAND

# Names for the two parts of `SET SESSION TRANSACTION`, whose variables are called differently by each server.
ISOLATION_LEVEL, ACCESS_MODE = "isolation level", "access mode"
TRACKED = frozenset(
    {
        "auto_increment_increment",
        "autocommit",
        "character set",
        "character_set_client",
        "character_set_connection",
        "character_set_database",
        "character_set_filesystem",
        "character_set_results",
        "character_set_server",
        "collation_connection",
        "collation_database",
        "collation_server",
        "interactive_timeout",
        "names",
        "net_write_timeout",
        "query_cache_type",
        "session_track_schema",
        "sql_mode",
        "time_zone",
        "transaction_isolation",
        "transaction_read_only",
        "tx_isolation",
        "tx_read_only",
        "wait_timeout",
    }
)
_CHARACTER_SETS = frozenset(
    {"names", "character set", "character_set_client", "character_set_connection", "character_set_results"}
    | {"collation_connection"}
)
_ISOLATION = frozenset({ISOLATION_LEVEL, "transaction_isolation", "tx_isolation"})
_ACCESS = frozenset({ACCESS_MODE, "transaction_read_only", "tx_read_only"})
# Setting one of these makes what was said with the others void.
_OVERRIDES = (
    {"names": _CHARACTER_SETS, "character set": _CHARACTER_SETS}
    | dict.fromkeys(_ISOLATION, _ISOLATION)
    | dict.fromkeys(_ACCESS, _ACCESS)
)
# What stands in SET without an equals sign.
_PHRASES = {"names": "NAMES", "character set": "CHARACTER SET"}
_TRANSACTION = frozenset({ISOLATION_LEVEL, ACCESS_MODE})

Variables = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SessionState:
    """Schema, autocommit and variables (name and literal, in the order in which they were set)."""

    schema: str | None
    autocommit: bool
    variables: Variables = ()

    def with_schema(self, schema: str | None) -> Self:
        """Return the state after USE, or after the schema was dropped."""
        return replace(self, schema=schema)

    def with_autocommit(self, autocommit: bool) -> Self:
        """Return the state that a status word told of."""
        return replace(self, autocommit=autocommit)

    def with_variables(self, assignments: Variables) -> Self:
        """Return the state after SET."""
        variables = dict(self.variables)
        for name, value in assignments:
            gone = _OVERRIDES.get(name, {name})
            variables = {known: kept for known, kept in variables.items() if known not in gone}
            variables[name] = value
        return replace(self, variables=tuple(variables.items()))


@dataclass(frozen=True, slots=True)
class Replay:
    """What brings a database session into line: reset it, then run these command payloads."""

    reset: bool
    commands: tuple[bytes, ...]


def replay(have: SessionState, want: SessionState) -> Replay | None:
    """How to get from one state to the other; None: not possible, a schema cannot be left."""
    if want.schema is None and have.schema is not None:
        return None
    known = dict(have.variables)
    wanted = dict(want.variables)
    # Only a reset gives a variable the value back that a new session has: its DEFAULT is the global value of
    # now, which may not be that of the time when the session began.
    reset = bool(known.keys() - wanted.keys())
    if reset:
        known = {}
    commands = []
    if want.schema is not None and (want.schema != have.schema or reset):
        commands.append(bytes([COMMAND.COM_INIT_DB]) + want.schema.encode())
    changed = _from_first_difference(known, wanted)
    changes = [_assignment(name, wanted[name]) for name in changed if name not in _TRANSACTION]
    if reset or want.autocommit != have.autocommit:
        changes.append(f"autocommit = {int(want.autocommit)}")
    if changes:
        commands.append(_query(f"SET {', '.join(changes)}"))
    transaction = [wanted[name] for name in changed if name in _TRANSACTION]
    if transaction:
        commands.append(_query(f"SET SESSION TRANSACTION {', '.join(transaction)}"))
    return Replay(reset, tuple(commands))


def _from_first_difference(known: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Names from the first one that differs on: a later one may override it."""
    names = list(wanted)
    first = next((at for at, name in enumerate(names) if known.get(name) != wanted[name]), len(names))
    return names[first:]


def _assignment(name: str, value: str) -> str:
    return f"{_PHRASES[name]} {value}" if name in _PHRASES else f"SESSION {name} = {value}"


def _query(text: str) -> bytes:
    return bytes([COMMAND.COM_QUERY]) + text.encode("latin-1")
