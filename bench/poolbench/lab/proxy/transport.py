"""Bytes to and from a peer: TLS, flow control, and the line to a client with the ways to cut it.

asyncio's own TLS cannot be used: a client may send its SSLRequest and its ClientHello in one segment, of
which `loop.start_tls` would lose the second part; and a connection to the database speaks TLS before asyncio
takes it over.
"""

import asyncio
import contextlib
import functools
import socket
import ssl
import struct
import traceback
from collections.abc import Callable
from enum import Flag, auto
from typing import cast

from poolbench.lab.certificates import Certificate
from poolbench.lab.proxy.protocol import HEADER_SIZE, Malformed, packet, payload_length

CHUNK = 1 << 16


def server_context(files: Certificate) -> ssl.SSLContext:
    """Return what a server needs to speak TLS 1.2 and later.

    Raises:
        OSError: the files do not exist, or do not match.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.certificate, files.key)
    except OSError as error:  # which does not name the files
        raise OSError(f"tls: {files.certificate} and {files.key} cannot be used: {error}") from error
    return context


@functools.cache
def client_context(authority: str, *, check_hostname: bool) -> ssl.SSLContext:
    """Return what a client needs whose server has a certificate of this authority (a PEM file).

    Raises:
        OSError: the file does not exist, or is not an authority's certificate.

    """
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:  # which does not name the file
        raise OSError(f"{authority}: no certificate of an authority can be read there: {error}") from error
    context.check_hostname = check_hostname
    return context


class TlsChannel:
    """One end of a TLS connection whose caller carries the ciphertext; a client's end, if it names a server.

    Attributes:
        carry: sends ciphertext to the peer.
        shaken: whether the handshake is over.

    """

    def __init__(
        self, context: ssl.SSLContext, carry: Callable[[bytes], None], server: str | None = None
    ) -> None:
        self.carry = carry
        self.shaken = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._channel = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server is None, server_hostname=server
        )

    def receive(self, data: bytes) -> bytes:
        """Take ciphertext, return the plaintext that it completes, and answer where the handshake needs it.

        Raises:
            ssl.SSLError: the peer does not speak TLS, or not as it should.

        """
        self._incoming.write(data)
        plain = []
        try:
            if not self.shaken:
                self._channel.do_handshake()
                self.shaken = True
            while part := self._channel.read(CHUNK):
                plain.append(part)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):  # the latter is close_notify; FIN follows
            pass
        finally:
            self._flush()
        return b"".join(plain)

    def send(self, data: bytes) -> None:
        """Encrypt and send."""
        self._channel.write(data)
        self._flush()

    def say_goodbye(self) -> None:
        """Send close_notify."""
        with contextlib.suppress(ssl.SSLError):  # the peer's own has yet to come
            self._channel.unwrap()
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.carry(self._outgoing.read())


class Hold(Flag):
    """Reasons, any number of which may hold at once."""

    BORROWING = auto()  # a long command waits for a database connection
    FULL = auto()  # enough commands have come for the time being
    PEER_SLOW = auto()  # the other side does not take what it is sent
    PAUSED = auto()  # the failure of that name


class FlowControl:
    """Reads from a transport unless there is a reason not to."""

    __slots__ = ("_reasons", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._reasons = Hold(0)

    def hold(self, why: Hold, *, on: bool) -> None:
        """Add a reason, or take it away."""
        before = self._reasons
        self._reasons = before | why if on else before & ~why
        if self._reasons and not before:
            self._transport.pause_reading()
        elif before and not self._reasons:
            self._transport.resume_reading()

    def open(self) -> None:
        """Take all reasons away."""
        if self._reasons:
            self._reasons = Hold(0)
            self._transport.resume_reading()


LOGIN_PACKET_LIMIT = 64 * 1024
UNSENT_LIMIT_S = 60  # for a client to take what was sent before the end; MySQL's net_write_timeout
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 s


class ClientLine(asyncio.Protocol):
    """Bytes of one client. Until a subclass `receive`s them, they wait to be read packet by packet.

    Attributes:
        id: what the client takes for the server's number of its connection.

    """

    def __init__(self, number: int) -> None:
        self.id = number
        self._transport: asyncio.Transport
        self.flow: FlowControl
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
        self.flow = FlowControl(self._transport)

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
        self.flow.hold(Hold.FULL, on=len(self._inbox) > HEADER_SIZE + LOGIN_PACKET_LIMIT)

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
        """Speak TLS from here on; bytes that have come already belong to its handshake."""
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
