"""One authenticated connection to the database, packet by packet."""

import asyncio
import itertools
import ssl
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol, cast

from pymysql.constants import COMMAND

from poolbench.lab.proxy.database import Identity
from poolbench.lab.proxy.errors import DatabaseRefused, DatabaseUnavailable
from poolbench.lab.proxy.protocol import AUTOCOMMIT, COM_RESET_CONNECTION, Malformed, ServerReply, packet
from poolbench.lab.proxy.session import SessionState, replay
from poolbench.lab.proxy.transport import FlowControl, TlsChannel

# For the proxy's own commands; a server that takes longer hangs. The value is MySQL's connect_timeout.
ANSWER_TIMEOUT_S = 10.0


class Borrower(Protocol):
    """The client connection that a database connection works for."""

    def answer(self, data: bytes) -> None:
        """Take bytes of the database's answer."""

    def answered(self, reply: ServerReply) -> None:
        """Note that the answer is complete."""

    def backend_is_slow(self, *, slow: bool) -> None:
        """Note whether the database takes what it is sent too slowly."""

    def backend_lost(self) -> None:
        """Note that the connection to the database is gone."""


class BackendConnection(asyncio.Protocol):
    """A database connection, free or lent to a borrower.

    Attributes:
        state: what the session has set; equal to the borrower's while it is lent.
        borrower: who gets its answers; None while the proxy itself does.
        last_borrower: id of the client that it was lent to last, 0 before there was one.
        opened_at: when it was, monotonic clock, as those below.
        used_at: when it last answered a borrower.
        own_answer_at: when it last answered a command of the proxy's own.

    """

    _ids = itertools.count(1)

    def __init__(
        self,
        identity: Identity,
        state: SessionState,
        init_query: Sequence[bytes],
        on_lost: Callable[["BackendConnection"], object],
        tls: TlsChannel | None = None,
    ) -> None:
        self.id = next(self._ids)
        self.thread_id = 0  # the server's number for it
        self.identity = identity
        self.state = state
        self.borrower: Borrower | None = None
        self.last_borrower = 0
        self.opened_at = self.used_at = self.own_answer_at = monotonic()
        self._initial = state
        self._init_query = init_query
        self._on_lost = on_lost
        self._reply = ServerReply()
        self._transport: asyncio.Transport
        self._write: Callable[[bytes], None]
        self._tls = tls
        self.flow: FlowControl
        self._waiting: asyncio.Future[bytes] | None = None  # for the answer to a command of the proxy's own
        self._answer = b""

    @property
    def is_closed(self) -> bool:
        """Whether it is closed or closing."""
        return self._transport.is_closing()

    @property
    def heard_at(self) -> float:
        """When it last answered anything."""
        return max(self.used_at, self.own_answer_at)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self.flow = FlowControl(self._transport)
        self._write = self._transport.write
        if self._tls:
            self._tls.carry, self._write = self._write, self._tls.send

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
            if self._tls and not (data := self._tls.receive(data)):
                return
            if self._waiting:
                self._answer += data
                if self._reply.feed(data) and not self._waiting.done():
                    self._waiting.set_result(self._answer)
            elif borrower := self.borrower:
                borrower.answer(data)
                if self._reply.feed(data):
                    borrower.answered(self._reply)
            else:  # the server ends the session, for example with ERR 4031 or 1053
                self.close()
        except (Malformed, ssl.SSLError):
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
        self._write(data)

    def send_more(self, data: bytes) -> None:
        """Send more of a command that is longer than one read."""
        self._write(data)

    def close(self) -> None:
        """Drop the connection; the server rolls back and forgets the session."""
        self._transport.abort()
        self._on_lost(self)  # now, so that the pool does not lend it before `connection_lost` is called

    async def run(self, payload: bytes) -> None:
        """Run a command of the proxy itself, while the connection is not lent.

        Raises:
            DatabaseRefused: it was answered with an error.
            DatabaseUnavailable: the connection was lost, or there was no answer within ANSWER_TIMEOUT_S;
                the caller must close the connection then.

        """
        if self.is_closed:
            raise DatabaseUnavailable("the connection is closed")
        self._answer = b""
        self._waiting = asyncio.get_running_loop().create_future()
        self.send(payload[0], packet(0, payload))
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await self._waiting
        except TimeoutError:
            raise DatabaseUnavailable(f"no answer within {ANSWER_TIMEOUT_S:g} s") from None
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
        """Bring the session into a state.

        Raises:
            DatabaseRefused: the server refused a part; the connection is then closed.
            DatabaseUnavailable: it is lost, or does not answer.

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
            DatabaseUnavailable: it is lost, or does not answer.

        """
        await self.run(bytes([COM_RESET_CONNECTION]))
        self.state = self._initial.with_schema(self.state.schema)
        await self.initialise()

    async def ping(self) -> None:
        """Check that the server still answers.

        Raises:
            DatabaseRefused: it answers with an error.
            DatabaseUnavailable: it is lost, or does not answer.

        """
        await self.run(bytes([COMMAND.COM_PING]))

    async def initialise(self) -> None:
        """Run the InitQuery, which sets the initial state of a session.

        Raises:
            DatabaseRefused: the server refused a statement.
            DatabaseUnavailable: it is lost, or does not answer.

        """
        for statement in self._init_query:
            await self.run(bytes([COMMAND.COM_QUERY]) + statement)
