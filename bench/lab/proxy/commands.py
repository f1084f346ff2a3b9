"""The command phase of one client connection: read a command, borrow, pass on, answer, give back."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pymysql.constants import COMMAND, ER

from bench.lab.proxy.backend import BackendConnection, DatabaseRefused, Identity
from bench.lab.proxy.context import Context
from bench.lab.proxy.handshake import SEMANTIC, Login
from bench.lab.proxy.login import Line, Refused, change_user
from bench.lab.proxy.pool import BorrowTimeout
from bench.lab.proxy.protocol import (
    AUTOCOMMIT,
    COM_RESET_CONNECTION,
    HEADER_SIZE,
    IN_TRANSACTION,
    MAX_PAYLOAD,
    Malformed,
    error,
    ok,
    ok_payload,
    payload_length,
)
from bench.lab.proxy.reply import UNANSWERED, Reply
from bench.lab.proxy.session import SessionState
from bench.lab.proxy.statements import NO_EFFECT, VARIABLE_SETS, Effect, effect_of

TEXT_LIMIT = 16 * 1024  # a longer statement pins, and is passed on as it comes
INBOX_LIMIT = 256 * 1024  # beyond it the client is not read until its command is answered
BORROW_TIMEOUT = (9501, "HY000", "Timed-out waiting to acquire database connection")  # RDS Proxy's own

_EFFECTS = {
    COMMAND.COM_STMT_PREPARE: Effect(pin="prepared statement"),
    COMMAND.COM_SET_OPTION: Effect(pin="COM_SET_OPTION"),
}
_TOO_LONG = Effect(pin="statement longer than 16 KB")
_NAMES = {
    number: name for name, number in vars(COMMAND).items() if name.startswith("COM_") and name != "COM_END"
} | {COM_RESET_CONNECTION: "COM_RESET_CONNECTION"}
_PASSED_ON = frozenset(
    {
        COMMAND.COM_INIT_DB,
        COMMAND.COM_QUERY,
        COMMAND.COM_FIELD_LIST,
        COMMAND.COM_REFRESH,
        COMMAND.COM_STATISTICS,
        COMMAND.COM_PROCESS_INFO,
        COMMAND.COM_PROCESS_KILL,
        COMMAND.COM_DEBUG,
        COMMAND.COM_PING,
        COMMAND.COM_STMT_PREPARE,
        COMMAND.COM_STMT_EXECUTE,
        COMMAND.COM_STMT_SEND_LONG_DATA,
        COMMAND.COM_STMT_CLOSE,
        COMMAND.COM_STMT_RESET,
        COMMAND.COM_SET_OPTION,
        COMMAND.COM_STMT_FETCH,
        COM_RESET_CONNECTION,
    }
)


class Client(Line, Protocol):
    """The connection that the commands come from."""

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""

    def logging_in(self) -> AbstractContextManager[None]:
        """Read packets as in a login, meanwhile."""

    def refuse(self, refused: Refused) -> None:
        """Send the error and end the connection."""

    def close(self, because: str) -> None:
        """End the connection."""

    def read(self, *, on: bool) -> None:
        """Go on, or stop, reading."""


class Commands:
    """The commands of one client.

    Attributes:
        state: what the client has set in its session.
        pinned: why it keeps its database connection; empty while it does not.
        counts: how many commands there were, by code.

    """

    def __init__(self, client: Client, context: Context, login: Login) -> None:
        self.id = client.id
        self.counts: Counter[int] = Counter()
        self.backend: BackendConnection | None = None
        self.in_transaction = False
        self.pinned = ""
        self._client = client
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._inbox = b""
        self._busy = False
        self._rest = 0  # bytes of the current command that have yet to come
        self._continued = False  # and then another packet of it
        self._effect = NO_EFFECT
        self._last_backend: BackendConnection | None = None
        self._used_at = self._asked_at = self._sent_at = self._loop.time()
        self._task: asyncio.Task[None] | None = None
        self._become(login, login.database)

    def _become(self, login: Login, schema: str | None) -> None:
        """Begin a session as new."""
        self.login = login
        self.identity = Identity(login.user, login.capabilities & SEMANTIC)
        facts = self._context.facts
        self.state = SessionState(schema, facts.autocommit, (("names", facts.names(login.charset)),))

    def counts_by_name(self) -> dict[str, int]:
        """How many commands there were, by name."""
        return {_NAMES.get(command, f"0x{command:02x}"): count for command, count in self.counts.items()}

    def idle_s(self) -> float:
        """Seconds since the last answer; 0 while a command runs."""
        return 0.0 if self._busy else self._loop.time() - self._used_at

    async def attach(self) -> None:
        """Borrow a database connection once, as RDS Proxy does for every new client, to see that it works.

        Raises:
            Refused: there is none in time, or the database refuses the user or the schema.

        """
        try:
            pool, timeout_s = self._context.pool, self._context.settings.connection_borrow_timeout
            backend = await pool.borrow(self, self.identity, self.state, timeout_s)
        except BorrowTimeout:
            raise Refused(*BORROW_TIMEOUT) from None
        except DatabaseRefused as refused:
            raise Refused(refused.code, refused.sqlstate, refused.message) from None
        pool.give_back(backend)

    def receive(self, data: bytes) -> None:
        """Take bytes of the client."""
        if self._rest or self._continued:
            data = self._pass_on(data)
        self._inbox += data
        if not self._busy:
            self._next()
        elif len(self._inbox) > INBOX_LIMIT:
            self._client.read(on=False)

    def _next(self) -> None:
        """Begin the next command if it is there: all of it, or more than can be looked at."""
        while not self._busy:
            inbox = self._inbox
            size = len(inbox)
            if size <= HEADER_SIZE:
                return
            length = inbox[0] | inbox[1] << 8 | inbox[2] << 16
            end = HEADER_SIZE + length
            if inbox[3] or not length:
                self._client.close("malformed packet")
                return
            if size == end:
                self._inbox = b""
            elif size > end:
                self._inbox = inbox[end:]
                inbox = inbox[:end]
            elif length <= TEXT_LIMIT:
                return
            else:
                self._inbox = b""
                self._rest = end - size
            self._continued = length == MAX_PAYLOAD
            self._begin(inbox[HEADER_SIZE], inbox, length)

    def _begin(self, command: int, data: bytes, length: int) -> None:
        self._asked_at = self._loop.time()
        self.counts[command] += 1
        context = self._context
        if command == COMMAND.COM_QUERY:
            context.metrics.queries += 1
            self._effect = effect_of(data[HEADER_SIZE + 1 :]) if length <= TEXT_LIMIT else _TOO_LONG
        elif command == COMMAND.COM_INIT_DB:
            self._effect = Effect(schema=data[HEADER_SIZE + 1 :].decode(errors="replace"))
        else:
            self._effect = _EFFECTS.get(command, NO_EFFECT)
        if command in UNANSWERED:
            if command == COMMAND.COM_QUIT:
                self._busy = True
                self._client.close("client left")
            elif self.backend:
                self.backend.send_more(data)
        elif command == COM_RESET_CONNECTION:
            if self.backend:
                self._let_go_dirty()
            self._become(self.login, self.state.schema)
            self._answer_ok()
        elif command in _PASSED_ON and self.backend:
            self._forward(self.backend, command, data)
        elif command == COMMAND.COM_CHANGE_USER:
            self._busy = True
            self._start(self._change_user(data[HEADER_SIZE:]))
        elif command not in _PASSED_ON:
            self._client.send(error(1, ER.UNKNOWN_COM_ERROR, "08S01", "Unknown command"))
        elif command == COMMAND.COM_PING and not context.settings.ping_database:
            self._answer_ok()
        else:
            backend = context.pool.take(self, self.identity, self.state, self._last_backend)
            context.metrics.database_requests += 1
            if backend:
                context.metrics.borrow_latency.add(0.0)
                self.backend = backend
                self._forward(backend, command, data)
            else:
                self._busy = True
                self._start(self._borrow(command, data))

    def _forward(self, backend: BackendConnection, command: int, data: bytes) -> None:
        self._busy = True
        self._sent_at = self._loop.time()
        backend.send(command, data)
        if self._continued and self._inbox:
            inbox, self._inbox = self._inbox, b""
            self._inbox += self._pass_on(inbox)

    def _pass_on(self, data: bytes) -> bytes:
        """Pass on what belongs to the command that has begun; returns what comes behind it.

        Where no database connection works on the command, it has been answered already, and the rest of it is
        dropped.
        """
        while True:
            part, data = data[: self._rest], data[self._rest :]
            self._rest -= len(part)
            if part and self.backend:
                self.backend.send_more(part)
            if self._rest or not self._continued:
                return data
            data, self._inbox = self._inbox + data, b""
            if len(data) < HEADER_SIZE:
                self._inbox = data
                return b""
            length = payload_length(data)
            self._rest = HEADER_SIZE + length
            self._continued = length == MAX_PAYLOAD

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = self._loop.create_task(work)

    async def _borrow(self, command: int, data: bytes) -> None:
        context = self._context
        self._client.read(on=False)
        try:
            backend = await context.pool.borrow(
                self, self.identity, self.state, context.settings.connection_borrow_timeout
            )
        except BorrowTimeout:
            self._refuse(*BORROW_TIMEOUT)
        except DatabaseRefused as refused:
            self._refuse(refused.code, refused.sqlstate, refused.message)
        else:
            context.metrics.borrow_latency.add(self._loop.time() - self._asked_at)
            self.backend = backend
            self._forward(backend, command, data)
        finally:
            self._client.read(on=True)

    def _refuse(self, code: int, sqlstate: str, message: str) -> None:
        self._client.send(error(1, code, sqlstate, message))
        self._go_on()

    def _answer_ok(self) -> None:
        self._client.send(ok(1, AUTOCOMMIT if self.state.autocommit else 0))

    async def _change_user(self, payload: bytes) -> None:
        if self.backend:
            self._let_go_dirty()
        try:
            with self._client.logging_in():
                login = await change_user(self._client, self._context, payload, self.login.capabilities)
                self._become(login, login.database)
                await self.attach()
        except Refused as refused:
            self._client.refuse(refused)
        except (Malformed, ConnectionError) as failure:
            self._client.close(f"no login: {failure}")
        else:
            self._client.send_payload(ok_payload(AUTOCOMMIT if self.state.autocommit else 0))
            self._go_on()

    def _go_on(self) -> None:
        self._busy = False
        self._used_at = self._loop.time()
        self._next()

    def answer(self, data: bytes) -> None:
        """Pass the database's bytes on to the client."""
        self._client.send(data)

    def answered(self, reply: Reply) -> None:
        """Take note of the state that the answer leaves the session in, and give back if it allows."""
        backend = self.backend
        assert backend is not None
        if self._rest or self._continued:  # refused half-way, as too long say
            backend.close()
            return
        now = self._loop.time()
        metrics = self._context.metrics
        metrics.database_latency.add(now - self._sent_at)
        metrics.response_latency.add(now - self._asked_at)
        self._used_at = backend.used_at = now
        status, state = reply.status, self.state
        if status >= 0:
            self.in_transaction = status & IN_TRANSACTION != 0
            autocommit = status & AUTOCOMMIT != 0
            if autocommit is not state.autocommit:
                state = state.with_autocommit(autocommit)
        if self._effect is not NO_EFFECT:
            state = self._after(self._effect, state, failed=bool(reply.error))
        if state is not self.state:
            self.state = backend.state = state
        # An ERR packet says nothing about the transaction: without autocommit there may be one now.
        if not (self.in_transaction or self.pinned or (reply.error and not state.autocommit)):
            self.backend = None
            self._last_backend = backend
            self._context.pool.give_back(backend)
        self._busy = False
        if self._inbox:
            self._next()

    def _after(self, effect: Effect, state: SessionState, *, failed: bool) -> SessionState:
        if failed and effect.statements == 1:
            return state
        pin = effect.pin or ("failed half-way" if failed else None)
        if pin and not (pin in VARIABLE_SETS and self._context.settings.excludes_variable_sets):
            self._pin(pin)
        if failed:
            return state
        if effect.variables:
            state = state.with_variables(effect.variables)
        if effect.schema is not None:
            state = state.with_schema(effect.schema)
        if state.schema in effect.dropped:
            state = state.with_schema(None)
        return state

    def _pin(self, reason: str) -> None:
        if not self.pinned:
            self.pinned = reason
            self._context.metrics.pins[reason] += 1

    def client_is_slow(self, *, slow: bool) -> None:
        """Do not read from the database while the client does not take what it has."""
        if self.backend:
            self.backend.read(on=not slow)

    def backend_is_slow(self, *, slow: bool) -> None:
        """Do not read from the client while the database does not take what it has."""
        self._client.read(on=not slow)

    def backend_lost(self) -> None:
        """End the client, whose transaction or statement is gone with the database connection."""
        self.backend = None
        self._client.close("database connection lost")

    def end(self) -> None:
        """Give back what is borrowed; the client is gone."""
        if self._task:
            self._task.cancel()
        if self.backend and self._busy:
            self.backend.borrower = None
            self.backend.close()
        elif self.backend:
            self._let_go_dirty()

    def _let_go_dirty(self) -> None:
        assert self.backend is not None
        self._context.pool.clean(self.backend)
        self.backend, self.pinned, self.in_transaction = None, "", False
