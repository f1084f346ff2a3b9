"""The command phase of one client connection: take a command, borrow, pass on, answer, give back."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from time import monotonic
from typing import Any

from pymysql.constants import ER
from pymysql.constants.COMMAND import COM_CHANGE_USER, COM_PING, COM_QUERY, COM_QUIT

from poolbench.lab.proxy.backend import BackendConnection
from poolbench.lab.proxy.commands import (
    PASSED_ON,
    QUERIES,
    TOO_LONG,
    UNANSWERED,
    WHOLE_LIMIT,
    CommandReader,
    effect_of_command,
    name_of,
)
from poolbench.lab.proxy.context import ProxyContext
from poolbench.lab.proxy.errors import Refused
from poolbench.lab.proxy.handshake import ClientLogin
from poolbench.lab.proxy.lease import Lease
from poolbench.lab.proxy.login import change_user, refuse
from poolbench.lab.proxy.monitoring import EventKind
from poolbench.lab.proxy.protocol import (
    COM_RESET_CONNECTION,
    HEADER_SIZE,
    Malformed,
    ServerReply,
    ok,
    ok_payload,
    packet,
)
from poolbench.lab.proxy.session import ClientSession
from poolbench.lab.proxy.statements import NO_EFFECT, Kill, effect_of
from poolbench.lab.proxy.transport import ClientLine, Hold

INBOX_LIMIT = (
    256 * 1024
)  # bytes; with more waiting, the proxy reads on only after the current command is answered


class CommandPhase:
    """The commands of one client.

    Attributes:
        id: of the client connection.
        answer: takes what the database answers, for the client.
        session: its state after the commands so far.
        lease: the database connection that it has borrowed.
        busy: whether a command is not answered yet.
        logging_in: whether the client logs in anew, so that its bytes are not commands.

    """

    def __init__(self, client: ClientLine, context: ProxyContext, login: ClientLogin) -> None:
        self.id = client.id
        self.answer = client.sender()
        self.session = ClientSession(login, context.facts)
        self.lease = Lease(self, client.id, context)
        self.logging_in = False
        self._client = client
        self._tls = client.speaks_tls
        self._context = context
        self._reader = CommandReader()
        self._counts: Counter[int] = Counter()
        self.busy = False
        self._borrowing = False
        self._effect = NO_EFFECT
        self._sink: BackendConnection | None = None  # what takes the rest of a long command
        self._used_at = self._asked_at = self._sent_at = monotonic()
        self._task: asyncio.Task[None] | None = None
        self._client_is_slow = False
        self._finish_because = ""

    def counts_by_name(self) -> dict[str, int]:
        """Number of commands so far, by name."""
        return {name_of(command): count for command, count in self._counts.items()}

    def idle_s(self, now: float) -> float:
        """Seconds since the last answer; 0 while a command runs."""
        return 0.0 if self.busy else now - self._used_at

    @property
    def running_on(self) -> int | None:
        """The server's number of the database connection that runs a command; None while none does."""
        return self.lease.backend.thread_id if self.busy and self.lease.backend else None

    def finish(self, because: str) -> None:
        """End the connection as soon as no command runs."""
        if self.busy:
            self._finish_because = because
        else:
            self._client.end(because)

    async def attach(self) -> None:
        """Borrow a database connection once, as RDS Proxy does for every new client, to see that it works.

        Raises:
            Refused: none became free in time, or the database refuses the user or the schema.

        """
        await self.lease.borrow(self.session)
        self.lease.give_back()

    def receive(self, data: bytes) -> None:
        """Take bytes of the client."""
        reader = self._reader
        reader.feed(data)
        if reader.unfinished:
            self._pass_on()
        if not (self.busy or self._client_is_slow):
            self._next()
        elif reader.waiting > INBOX_LIMIT:
            self._client.flow.hold(Hold.FULL, on=True)

    def _pass_on(self) -> None:
        """Pass on more of a long command, or drop it if it was answered already."""
        if not self._borrowing and (part := self._reader.more()) and self._sink:
            self._sink.send_more(part)

    def _next(self) -> None:
        """Begin commands until one has to be waited for."""
        reader = self._reader
        try:
            while not (self.busy or self._client_is_slow or reader.unfinished) and (data := reader.begin()):
                self._begin(data[HEADER_SIZE], data, reader.length)
                if reader.unfinished:
                    self._pass_on()
        except Malformed as malformed:
            self.busy = True
            self._client.end("malformed command", str(malformed))

    def _begin(self, command: int, data: bytes, length: int) -> None:
        self._asked_at = now = monotonic()
        self._sink = None
        self._counts[command] += 1
        self._context.metrics.commands += command not in UNANSWERED
        if command in QUERIES:
            self._context.metrics.queries += 1
            self._context.metrics.queries_tls += self._tls
        if command == COM_QUERY:
            effect = effect_of(data[HEADER_SIZE + 1 :]) if length <= WHOLE_LIMIT else TOO_LONG
        elif self._answers_alone(command, data):
            return
        else:
            effect = effect_of_command(command, data[HEADER_SIZE + 1 :])
        self._effect = effect
        if effect.kill:
            data = self._kill(effect.kill, data)
            if not data:
                return
        backend = self.lease.backend or self.lease.take(self.session)
        if backend:
            self._forward(backend, command, data, now)
        else:
            self.busy = self._borrowing = True
            self._start(self._borrow(command, data))

    def _answers_alone(self, command: int, data: bytes) -> bool:
        """Handle a command without the database, if possible; return whether that was all."""
        if command in PASSED_ON:
            if command != COM_PING or self.lease.backend or self._context.settings.ping_database:
                return False
            self._answer_ok()
        elif command == COM_QUIT:
            self.busy = True
            self._client.end("client left")
        elif command in UNANSWERED:
            self._used_at = self._asked_at  # it needs no answer
            if backend := self.lease.backend:
                self._sink = backend
                backend.send_more(data)
        elif command == COM_RESET_CONNECTION:
            self._let_go_dirty()
            self.session.reset()
            self._answer_ok()
        elif command == COM_CHANGE_USER:
            self.busy = True
            self._start(self._change_user(data[HEADER_SIZE:]))
        else:
            self._answer_refused(Refused(ER.UNKNOWN_COM_ERROR, "08S01", "Unknown command"))
        return True

    def _kill(self, kill: Kill, data: bytes) -> bytes:
        """Direct a KILL at the database connection behind a client's; empty: nothing is left to send."""
        try:
            aimed = self._aim(kill)
        except Refused as refused:
            self._answer_refused(refused)
            return b""
        if aimed is None:
            return data
        if not aimed:
            self._answer_ok()
        return aimed

    def _aim(self, kill: Kill) -> bytes | None:
        """Do the proxy's part of a KILL; return the command that the database is to be sent for it.

        Empty: nothing is left to do. None: the number is not one of the proxy's, so the command goes to the
        database unchanged.

        Raises:
            Refused: the connection is another user's, or this client's own.

        """
        target = self._context.clients.get(kill.connection)
        if target is None:
            return None
        if kill.connection == self.id:
            if not kill.query_only:
                self._client.end("killed")
            raise Refused(ER.QUERY_INTERRUPTED, "70100", "Query execution was interrupted")
        if target.session is None or target.session.login.user != self.session.login.user:
            raise Refused(ER.KILL_DENIED_ERROR, "HY000", f"You are not owner of thread {kill.connection}")
        thread_id = target.kill(query_only=kill.query_only)
        if thread_id is None:
            return b""
        return packet(0, bytes([COM_QUERY]) + f"KILL QUERY {thread_id}".encode())

    def _forward(self, backend: BackendConnection, command: int, data: bytes, now: float) -> None:
        self.busy = True
        self._sent_at = now
        self._sink = backend
        if self._client_is_slow:
            backend.flow.hold(Hold.PEER_SLOW, on=True)
        backend.send(command, data)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._client.end_if_failed)

    async def _borrow(self, command: int, data: bytes) -> None:
        self._client.flow.hold(Hold.BORROWING, on=True)
        try:
            backend = await self.lease.borrow(self.session)
        except Refused as refused:
            self._borrowing = False
            self._answer_refused(refused)
            self._go_on()
        else:
            self._borrowing = False
            self._forward(backend, command, data, monotonic())
            self._pass_on()
        self._client.flow.hold(Hold.BORROWING, on=False)

    def _answer_ok(self) -> None:
        self._used_at = monotonic()
        self._client.send(ok(1, self.session.status))

    def _answer_refused(self, refused: Refused) -> None:
        self._used_at = monotonic()
        self._client.send(packet(1, refused.payload()))

    async def _change_user(self, payload: bytes) -> None:
        self._let_go_dirty()
        self.logging_in = True
        try:
            login = await change_user(self._client, self._context, payload, self.session.login.capabilities)
            self.session.begin(login, login.database)
            await self.attach()
        except Refused as refused:
            refuse(self._client, self._context, refused)
        except (Malformed, TimeoutError, ConnectionError) as failure:
            self._client.end("no login", str(failure) or "timeout")
        else:
            self.logging_in = False
            self._client.send_payload(ok_payload(self.session.status))
            self._reader.feed(self._client.take_inbox())
            self._go_on()

    def _go_on(self) -> None:
        """Take the next command, now that this one is answered."""
        self.busy = False
        if self._finish_because:
            self._client.end(self._finish_because)
        else:
            self._next()
            self._client.flow.hold(Hold.FULL, on=self._reader.waiting > INBOX_LIMIT)

    def answered(self, reply: ServerReply) -> None:
        """Update the session from the answer, and return the database connection if possible."""
        backend = self.lease.backend
        assert backend is not None
        if self._reader.unfinished:  # refused half-way, for example as too long
            backend.close()
            return
        now = monotonic()
        context, session = self._context, self.session
        context.metrics.response_latency.add(now - self._asked_at)
        context.metrics.database_latency.add(now - self._sent_at)
        self._used_at = backend.used_at = now
        was_pinned = session.pinned
        session.note(reply, self._effect, context.settings)
        backend.state = session.state
        if session.pinned and not was_pinned:
            context.metrics.pins[session.pinned] += 1
            context.events.add(EventKind.PIN, self.id, backend.thread_id, session.pinned)
        if session.loose:
            self.lease.give_back(reply.error)
        self.busy = False
        if self._reader.waiting or self._finish_because:
            self._go_on()

    def client_is_slow(self, *, slow: bool) -> None:
        """While the client takes no data, neither read from the database nor begin a command."""
        self._client_is_slow = slow
        if backend := self.lease.backend:
            backend.flow.hold(Hold.PEER_SLOW, on=slow)
        if not (slow or self.busy):
            self._go_on()

    def backend_is_slow(self, *, slow: bool) -> None:
        """While the database takes no data, do not read from the client."""
        self._client.flow.hold(Hold.PEER_SLOW, on=slow)

    def backend_lost(self) -> None:
        """End the client, whose transaction or statement is gone with the database connection."""
        self.lease.lose()
        self._client.end("database connection lost")

    def end(self) -> None:
        """Give back what is borrowed; the client is gone."""
        if self._task:
            self._task.cancel()
        if self.busy:
            self.lease.close()
        else:
            self._let_go_dirty()

    def _let_go_dirty(self) -> None:
        self.lease.give_back_dirty()
        self.session.let_go()
