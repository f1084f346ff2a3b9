"""One client's session: what is set in it, what pins it, and how to bring a database session in line. Pure.

RDS Proxy tracks the default schema, autocommit and a list of variables: sessions share a database connection
only while these agree, and the proxy brings a connection into line before it hands it on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from pymysql.constants import COMMAND

from poolbench.lab.proxy.config import ProxySettings
from poolbench.lab.proxy.database import Facts, Identity
from poolbench.lab.proxy.handshake import SEMANTIC, ClientLogin
from poolbench.lab.proxy.protocol import AUTOCOMMIT, IN_TRANSACTION, ServerReply
from poolbench.lab.proxy.statements import ACCESS_MODE, ISOLATION_LEVEL, NO_EFFECT, Effect, Variables

_CHARACTER_SETS = frozenset(
    {"names", "character set", "character_set_client", "character_set_connection", "character_set_results"}
    | {"collation_connection"}
)
_ISOLATION = frozenset({ISOLATION_LEVEL, "transaction_isolation", "tx_isolation"})
_ACCESS = frozenset({ACCESS_MODE, "transaction_read_only", "tx_read_only"})
# Setting one of these overrides the others of its group.
_OVERRIDES = (
    {"names": _CHARACTER_SETS, "character set": _CHARACTER_SETS}
    | dict.fromkeys(_ISOLATION, _ISOLATION)
    | dict.fromkeys(_ACCESS, _ACCESS)
)
# What stands in SET without an equals sign.
_PHRASES = {"names": "NAMES", "character set": "CHARACTER SET"}
_TRANSACTION = frozenset({ISOLATION_LEVEL, ACCESS_MODE})


@dataclass(frozen=True, slots=True)
class SessionState:
    """Schema, autocommit and variables (name and literal, in the order in which they were set)."""

    schema: str | None
    autocommit: bool
    variables: Variables = ()

    def after(self, effect: Effect) -> Self:
        """Return the state after statements with this effect."""
        state = self
        if effect.variables:
            state = state.with_variables(effect.variables)
        if effect.schema is not None:
            state = state.with_schema(effect.schema)
        return state.with_schema(None) if state.schema in effect.dropped else state

    def with_schema(self, schema: str | None) -> Self:
        """Return the state after USE, or after the schema was dropped."""
        return replace(self, schema=schema)

    def with_autocommit(self, autocommit: bool) -> Self:
        """Return the state after a status word with this flag."""
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
    """Steps that bring a database session in line: reset it, then run these command payloads."""

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


HALF_WAY = "failed half-way"  # of several statements one failed: what the others did is not known


class ClientSession:
    """A session as the proxy knows it, from the server's status words and the client's statements.

    RDS Proxy learns of transactions from the protocol, too, and not from keywords; without autocommit the
    first statement begins one, says its documentation. To the server, and so to this proxy, it is the first
    that touches a table: after a lone SELECT 1 the database connection is returned.

    Attributes:
        login: what the client sent to log in.
        identity: what a database connection must have for it to be used here.
        state: what is set.
        in_transaction: as the last status word says.
        pinned: why the session keeps its database connection from now on; empty while it need not.
        loose: whether the session may go on with another database connection.

    """

    def __init__(self, login: ClientLogin, facts: Facts) -> None:
        self._facts = facts
        self.begin(login, login.database)

    def begin(self, login: ClientLogin, schema: str | None) -> None:
        """Begin a new session."""
        facts = self._facts
        self.login = login
        self.identity = Identity(login.user, login.capabilities & SEMANTIC)
        self.state = SessionState(schema, facts.autocommit, (("names", facts.names(login.charset)),))
        self.let_go()

    def let_go(self) -> None:
        """Forget the ties to its database connection, which is gone or taken away."""
        self.in_transaction, self.pinned, self.loose = False, "", True

    def reset(self) -> None:
        """Begin as new with the same user and in the same schema, as COM_RESET_CONNECTION does.

        MySQL then goes back to the server's character set, MariaDB to the one that the client logged in with.
        """
        charset = self.login.charset if self._facts.is_mariadb else self._facts.charset
        self.begin(replace(self.login, charset=charset), self.state.schema)

    @property
    def status(self) -> int:
        """Status word of a session outside a transaction."""
        return AUTOCOMMIT if self.state.autocommit else 0

    def note(self, reply: ServerReply, effect: Effect, settings: ProxySettings) -> None:
        """Note what a command has done, now that it is answered."""
        status, state, failed = reply.status, self.state, reply.error != 0
        if status >= 0:
            self.in_transaction = status & IN_TRANSACTION != 0
            autocommit = status & AUTOCOMMIT != 0
            if autocommit is not state.autocommit:
                state = state.with_autocommit(autocommit)
        if effect is not NO_EFFECT and not (failed and effect.statements == 1):
            pin = HALF_WAY if failed else effect.pin
            if pin and not self.pinned and pin not in settings.tolerated_pins:
                self.pinned = pin
            if not failed:
                state = state.after(effect)
        self.state = state
        # An ERR packet says nothing about the transaction: without autocommit there may be one now.
        self.loose = not (self.in_transaction or self.pinned or (failed and not state.autocommit))
