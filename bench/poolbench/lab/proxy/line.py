"""The line to one client: bytes in and out, in TLS or not, and the ways to cut it."""

import asyncio
import socket
import ssl
import struct
import traceback
from collections.abc import Callable
from typing import cast

from poolbench.lab.proxy.protocol import HEADER_SIZE, Malformed, packet, payload_length
from poolbench.lab.proxy.tls import TlsChannel
from poolbench.lab.proxy.valve import Hold, Valve

LOGIN_PACKET_LIMIT = 64 * 1024
UNSENT_LIMIT_S = 60  # for a client to take what was sent before the end; MySQL's net_write_timeout
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 s


class ClientLine(asyncio.Protocol):
    """Bytes of one client. Until somebody else `receive`s them, they wait to be read packet by packet.

    Attributes:
        id: what the client takes for the server's number of its connection.

    """

    def __init__(self, number: int) -> None:
        self.id = number
        self._transport: asyncio.Transport
        self.valve: Valve
        self._tls: TlsChannel | None = None
        self._inbox = b""
        self._sequence = 0
        self._arrived: asyncio.Future[None] | None = None
        self._ended_because = self._detail = ""

    @property
    def speaks_tls(self) -> bool:
        """Whether what is sent is encrypted."""
        return self._tls is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self.valve = Valve(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Part of asyncio's protocol."""
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio's protocol."""
        if self._tls:
            try:
                data = self._tls.receive(data)
            except ssl.SSLError:
                self.hang_up()
                return
        self.receive(data)

    def receive(self, data: bytes) -> None:
        """Take plain bytes of the client."""
        self._inbox += data
        self._limit_inbox()
        self._wake()

    def _limit_inbox(self) -> None:
        """Read no more of a client that has sent more than any login takes."""
        self.valve.hold(Hold.FULL, on=len(self._inbox) > HEADER_SIZE + LOGIN_PACKET_LIMIT)

    def _wake(self) -> None:
        if self._arrived and not self._arrived.done():
            self._arrived.set_result(None)

    def take_inbox(self) -> bytes:
        """Return what has come and was not read."""
        inbox, self._inbox = self._inbox, b""
        self._limit_inbox()
        return inbox

    async def read_packet(self) -> bytes:
        """Return the payload of the next packet of a login.

        Raises:
            Malformed: it is too long.
            ConnectionError: the client has gone.

        """
        while True:
            if len(self._inbox) >= HEADER_SIZE:
                length = payload_length(self._inbox)
                if length > LOGIN_PACKET_LIMIT:
                    raise Malformed(f"a packet of {length} bytes in a login")
                if len(self._inbox) >= HEADER_SIZE + length:
                    break
            if self._transport.is_closing():
                raise ConnectionError("the client has gone")
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        self._sequence = self._inbox[3] + 1
        payload = self._inbox[HEADER_SIZE : HEADER_SIZE + length]
        self._inbox = self._inbox[HEADER_SIZE + length :]
        self._limit_inbox()
        return payload

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on; what has come already is the beginning of it."""
        self._tls = TlsChannel(context, self._transport.write)
        self.data_received(self.take_inbox())

    def send_payload(self, payload: bytes) -> None:
        """Send the next packet of an exchange that the client has begun."""
        self.send(packet(self._sequence, payload))
        self._sequence += 1

    def sender(self) -> Callable[[bytes], None]:
        """Return the shortest way to `send`, now that it is settled whether this is TLS."""
        return self._tls.send if self._tls else self._transport.write

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self._tls:
            self._tls.send(data)
        else:
            self._transport.write(data)

    def hang_up(self) -> None:
        """FIN, once what was sent has gone out; RST, if the client does not take that in time."""
        self._transport.close()
        if self._transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(UNSENT_LIMIT_S, self._transport.abort)

    def end(self, because: str, detail: str = "") -> None:
        """End the connection by FIN, and note why; only the first reason counts."""
        if not self._ended_because:
            self._ended_because, self._detail = because, detail
        self.hang_up()

    def end_if_failed(self, task: asyncio.Task[None]) -> None:
        """End the connection if a task that worked for it failed with an unforeseen error."""
        if not task.cancelled() and (error := task.exception()):
            traceback.print_exception(error)
            self.end("proxy failed", repr(error))

    def say_goodbye(self) -> None:
        """Send TLS's close_notify, if this is TLS, then FIN."""
        if self._tls:
            self._tls.say_goodbye()
        self.hang_up()

    def reset(self) -> None:
        """RST."""
        raw: socket.socket = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()
