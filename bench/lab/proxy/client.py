"""The client's side of the proxy: bytes in and out, and when a client connection ends."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import cast

from pymysql.constants import ER

from bench.lab.proxy.commands import Commands
from bench.lab.proxy.context import Context
from bench.lab.proxy.login import Refused, log_in
from bench.lab.proxy.protocol import (
    AUTOCOMMIT,
    HEADER_SIZE,
    Malformed,
    error,
    ok_payload,
    packet,
    payload_length,
)

LOGIN_TIMEOUT_S = 10  # MySQL's connect_timeout
LOGIN_PACKET_LIMIT = 64 * 1024


class ClientConnection(asyncio.Protocol):
    """One client connection, from its greeting to its end.

    Attributes:
        id: what the client takes for the server's number of its connection.
        program: what the client calls itself in its connection attributes.
        commands: the command phase; None until the client is logged in.

    """

    def __init__(self, context: Context) -> None:
        self.id = next(context.ids)
        self.program = ""
        self.commands: Commands | None = None
        self.closed_because = ""
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._inbox = b""
        self._sequence = 0
        self._arrived: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._login: asyncio.Task[None] | None = None
        self._receiver: Commands | None = None  # None: bytes are for the login

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._context.clients[self.id] = self
        self._context.metrics.clients_received += 1
        self._login = self._loop.create_task(self._begin())

    async def _begin(self) -> None:
        """Log in, then go over to commands."""
        context = self._context
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT_S):
                login = await log_in(self, context)
            commands = Commands(self, context, login)
            await commands.attach()
        except Refused as refused:
            self.refuse(refused)
        except (Malformed, TimeoutError, ConnectionError) as failure:
            self.close(f"no login: {failure}")
        else:
            self.program = login.attributes.get("program_name", "")
            context.metrics.clients_set_up += 1
            self.send_payload(ok_payload(AUTOCOMMIT if commands.state.autocommit else 0))
            self._timer = self._loop.call_later(context.settings.idle_client_timeout, self._check_idle)
            self.commands = self._receiver = commands
            self._hand_over()

    def _hand_over(self) -> None:
        if self._inbox and self._receiver:
            inbox, self._inbox = self._inbox, b""
            self._receiver.receive(inbox)

    @contextlib.contextmanager
    def logging_in(self) -> Iterator[None]:
        """Read packets as in a login, for COM_CHANGE_USER."""
        receiver, self._receiver = self._receiver, None
        self._sequence = 1
        yield
        self._receiver = receiver
        self._hand_over()

    def refuse(self, refused: Refused) -> None:
        """Send the error and end the connection."""
        self._context.metrics.failed_auth += refused.code == ER.ACCESS_DENIED_ERROR
        self.send(error(self.next_sequence(), refused.code, refused.sqlstate, str(refused)))
        self.close("login refused")

    def data_received(self, data: bytes) -> None:
        """Part of asyncio's protocol."""
        if self._receiver:
            self._receiver.receive(data)
            return
        self._inbox += data
        if self._arrived and not self._arrived.done():
            self._arrived.set_result(None)

    async def read_packet(self) -> bytes:
        """Return the payload of the next packet of the login.

        Raises:
            Malformed: it is too long.
            ConnectionError: the client has gone.

        """
        while True:
            if len(self._inbox) >= HEADER_SIZE:
                length = payload_length(self._inbox)
                if length > LOGIN_PACKET_LIMIT:
                    raise Malformed(f"a packet of {length} bytes before the login")
                if len(self._inbox) >= HEADER_SIZE + length:
                    break
            if self._transport.is_closing():
                raise ConnectionError("the client has gone")
            self._arrived = self._loop.create_future()
            await self._arrived
        payload = self._inbox[HEADER_SIZE : HEADER_SIZE + length]
        self._sequence = self._inbox[3] + 1
        self._inbox = self._inbox[HEADER_SIZE + length :]
        return payload

    def next_sequence(self) -> int:
        """Return the number of the next packet to the client, in the login."""
        sequence = self._sequence
        self._sequence += 1
        return sequence

    def send_payload(self, payload: bytes) -> None:
        """Send a packet of the login."""
        self.send(packet(self.next_sequence(), payload))

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._transport.write(data)

    def read(self, *, on: bool) -> None:
        """Go on, or stop, reading."""
        if on:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def close(self, because: str) -> None:
        """End the connection by FIN, once what was sent has gone out."""
        self.closed_because = self.closed_because or because
        self._transport.close()

    def _check_idle(self) -> None:
        assert self.commands is not None
        idle_s, timeout_s = self.commands.idle_s(), self._context.settings.idle_client_timeout
        if idle_s >= timeout_s:
            self.close("idle")
        else:
            self._timer = self._loop.call_later(timeout_s - idle_s, self._check_idle)

    def describe(self) -> dict[str, object]:
        """Return what the control API says of this connection."""
        commands = self.commands
        return {
            "id": self.id,
            "program": self.program,
            "user": commands.login.user if commands else None,
            "open": not self._transport.is_closing(),
            "closed_because": self.closed_because or None,
            "pinned": (commands.pinned or None) if commands else None,
            "in_transaction": commands.in_transaction if commands else False,
            "commands": commands.counts_by_name() if commands else {},
        }

    def restart_idle_timer(self) -> None:
        """Judge by the settings of now."""
        if self._timer:
            self._timer.cancel()
            self._check_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio's protocol."""
        if self._arrived and not self._arrived.done():
            self._arrived.set_result(None)
        if self._timer:
            self._timer.cancel()
        if self.commands:
            self.commands.end()
        del self._context.clients[self.id]
        self._context.past_clients.append(self.describe())
        self._context.metrics.clients_closed[self.closed_because or "client left"] += 1

    def pause_writing(self) -> None:
        """Part of asyncio's protocol."""
        if self.commands:
            self.commands.client_is_slow(slow=True)

    def resume_writing(self) -> None:
        """Part of asyncio's protocol."""
        if self.commands:
            self.commands.client_is_slow(slow=False)
