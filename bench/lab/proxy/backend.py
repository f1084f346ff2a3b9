"""One connection to the database: opened and authenticated by PyMySQL, then spoken to packet by packet."""

import asyncio
import contextlib
import itertools
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple, Protocol, cast

import pymysql
from pymysql.constants import COMMAND, CR, ER
from pymysql.cursors import Cursor

from bench.lab.proxy.protocol import AUTOCOMMIT, COM_RESET_CONNECTION, Malformed, packet
from bench.lab.proxy.reply import Reply
from bench.lab.proxy.session_state import SessionState, replay
from bench.lab.proxy.valve import Valve

CONNECT_TIMEOUT_S = 10  # MySQL's connect_timeout


@dataclass(frozen=True, slots=True)
class Backend:
    """Where the database is, and the user with which the proxy looks at its settings."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


class Identity(NamedTuple):
    """What two sessions must have in common to use the same database connection one after the other."""

    user: str
    capabilities: int  # of handshake.SEMANTIC


class DatabaseUnavailable(Exception):
    """The database does not answer, or not yet."""


class DatabaseRefused(Exception):
    """The database answered with an error, which is the client's to see."""

    def __init__(self, code: int, sqlstate: str, message: str) -> None:
        super().__init__(f"{code} ({sqlstate}) {message}")
        self.code, self.sqlstate, self.message = code, sqlstate, message


class Borrower(Protocol):
    """The client connection that a database connection works for."""

    def answer(self, data: bytes) -> None:
        """Take bytes of the database's answer."""

    def answered(self, reply: Reply) -> None:
        """Note that the answer is complete."""

    def backend_is_slow(self, *, slow: bool) -> None:
        """Note that the database does, or no longer does, fall behind in taking what it is sent."""

    def backend_lost(self) -> None:
        """Note that the connection to the database is gone."""


class BackendConnection(asyncio.Protocol):
    """A database connection, free or lent to a borrower.

    Attributes:
        state: what the session has set; equal to the borrower's while it is lent.
        borrower: who gets its answers; None while the proxy itself does.
        last_borrower: id of the client that it was lent to last, 0 before there was one.
        used_at: when it last answered a borrower, monotonic clock.
        own_answer_at: when it last answered a command of the proxy's own.

    """

    _ids = itertools.count(1)

    def __init__(
        self,
        identity: Identity,
        state: SessionState,
        init_query: Sequence[bytes],
        on_lost: Callable[["BackendConnection"], None],
    ) -> None:
        self.id = next(self._ids)
        self.thread_id = 0  # the server's number for it
        self.identity = identity
        self.state = state
        self.borrower: Borrower | None = None
        self.last_borrower = 0
        self.used_at = monotonic()
        self.own_answer_at = self.used_at
        self._initial = state
        self._init_query = init_query
        self._on_lost = on_lost
        self._reply = Reply()
        self._transport: asyncio.Transport
        self.valve: Valve
        self._waiting: asyncio.Future[bytes] | None = None  # for the answer to a command of the proxy's own
        self._answer = b""

    @property
    def is_closed(self) -> bool:
        """Whether it is of no use any more."""
        return self._transport.is_closing()

    @property
    def heard_at(self) -> float:
        """When it last answered anything."""
        return max(self.used_at, self.own_answer_at)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self.valve = Valve(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Part of asyncio's protocol."""
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(DatabaseUnavailable("the database closed the connection"))
        self._on_lost(self)
        if self.borrower:
            self.borrower.backend_lost()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio's protocol."""
        try:
            if self._waiting:
                self._answer += data
                if self._reply.feed(data) and not self._waiting.done():
                    self._waiting.set_result(self._answer)
            elif borrower := self.borrower:
                borrower.answer(data)
                if self._reply.feed(data):
                    borrower.answered(self._reply)
            else:  # the server says good-bye, by ERR 4031 or 1053 say
                self.close()
        except Malformed:
            self.close()

    def pause_writing(self) -> None:
        """Part of asyncio's protocol."""
        if self.borrower:
            self.borrower.backend_is_slow(slow=True)

    def resume_writing(self) -> None:
        """Part of asyncio's protocol."""
        if self.borrower:
            self.borrower.backend_is_slow(slow=False)

    def send(self, command: int, data: bytes) -> None:
        """Begin a command: `data` is (the start of) its packets."""
        self._reply.begin(command)
        self._transport.write(data)

    def send_more(self, data: bytes) -> None:
        """Go on with a command that is longer than one read."""
        self._transport.write(data)

    def close(self) -> None:
        """Drop the connection; the server rolls back and forgets the session."""
        self._transport.abort()
        self._on_lost(self)  # now: nobody is to be lent it while the loop gets round to `connection_lost`

    async def run(self, payload: bytes) -> None:
        """Run a command of the proxy's own, while nobody has borrowed the connection.

        Raises:
            DatabaseRefused: it was answered with an error.
            DatabaseUnavailable: the connection was lost.

        """
        if self.is_closed:
            raise DatabaseUnavailable("the connection is closed")
        self._answer = b""
        self._waiting = asyncio.get_running_loop().create_future()
        self.send(payload[0], packet(0, payload))
        try:
            answer = await self._waiting
        finally:
            self._waiting = None
        if self._reply.error:
            raise DatabaseRefused(
                self._reply.error, answer[8:13].decode(), answer[13:].decode(errors="replace")
            )
        self.own_answer_at = monotonic()
        if self._reply.status >= 0:
            self.state = self.state.with_autocommit(bool(self._reply.status & AUTOCOMMIT))

    async def synchronise(self, state: SessionState) -> None:
        """Bring the session into the given state.

        Raises:
            DatabaseRefused: the server refused a part of it; the connection is then closed.
            DatabaseUnavailable: the connection was lost.

        """
        steps = replay(self.state, state)
        assert steps is not None
        try:
            if steps.reset:
                await self.reset()
            for command in steps.commands:
                await self.run(command)
        except DatabaseRefused:
            self.close()
            raise
        self.state = state

    async def reset(self) -> None:
        """Make the session as good as new: nothing open, nothing locked, nothing set.

        Raises:
            DatabaseRefused: the server cannot.
            DatabaseUnavailable: the connection was lost.

        """
        await self.run(bytes([COM_RESET_CONNECTION]))
        self.state = self._initial.with_schema(self.state.schema)
        await self.initialise()

    async def initialise(self) -> None:
        """Run the InitQuery; what it sets is what a session here begins with.

        Raises:
            DatabaseRefused: the server refused a part of it.
            DatabaseUnavailable: the connection was lost.

        """
        for statement in self._init_query:
            await self.run(bytes([COMMAND.COM_QUERY]) + statement)


def log_in(backend: Backend, identity: Identity, password: str) -> tuple[socket.socket, int]:
    """Open and authenticate a connection; blocks. Returns its socket and the server's number for it.

    Raises:
        DatabaseRefused: the server answered with an error.
        DatabaseUnavailable: it did not answer.

    """
    try:
        raw = socket.create_connection((backend.host, backend.port), CONNECT_TIMEOUT_S)
    except OSError as error:
        raise DatabaseUnavailable(str(error)) from error
    with contextlib.ExitStack() as undo:
        undo.enter_context(raw)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread_id = _authenticate(raw, identity, password)
        raw.setblocking(False)
        undo.pop_all()
        return raw, thread_id


def _authenticate(raw: socket.socket, identity: Identity, password: str) -> int:
    driver: pymysql.Connection[Cursor] = pymysql.Connection(
        user=identity.user,
        password=password,
        client_flag=identity.capabilities,
        autocommit=None,
        read_timeout=CONNECT_TIMEOUT_S,
        ssl_disabled=True,
        program_name="poolbench proxy",
        defer_connect=True,
    )
    theirs = raw.dup()
    try:
        driver.connect(theirs)
    except pymysql.MySQLError as error:
        code = int(error.args[0])
        # Codes from CR_ERROR_FIRST on are PyMySQL's own, lower ones the server's.
        if 0 < code < CR.CR_ERROR_FIRST:
            sqlstate = getattr(error, "sqlstate", None) or "HY000"
            raise DatabaseRefused(code, sqlstate, str(error.args[1])) from error
        raise DatabaseUnavailable(str(error)) from error
    except RuntimeError as error:  # a plugin that PyMySQL does not know, or lacks a library for
        raise DatabaseRefused(ER.UNKNOWN_ERROR, "HY000", str(error)) from error
    finally:
        # Now, and not when PyMySQL's objects are collected; nor by its own close(), which ends the session.
        if (descriptor := theirs.detach()) >= 0:
            os.close(descriptor)
    return int(driver.thread_id())  # type: ignore[no-untyped-call]
