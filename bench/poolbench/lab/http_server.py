"""A small HTTP/1.1 server on asyncio: h11 speaks the protocol, this moves the bytes.

One thread serves all that a process offers, so that its state needs no locks. An answer leaves in one
segment: split in two, a delayed acknowledgement can cost 40 ms.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, unquote

import h11

from poolbench.lab.platform import LOOPBACK

_READ_BYTES = 1 << 18
_HEAD_BYTES = 1 << 21  # awslambdaric puts up to 1 MB of traceback into a header
_BODY_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A whole request."""

    method: str
    target: str  # path and query, as sent
    headers: tuple[tuple[str, str], ...]  # names as sent
    body: bytes

    @property
    def path(self) -> str:
        """Decoded path."""
        return unquote(self.target.partition("?")[0])

    def query(self, name: str) -> str | None:
        """First value of a query parameter."""
        return parse_qs(self.target.partition("?")[2]).get(name, [None])[0]

    def header(self, name: str) -> str | None:
        """First value of a header."""
        return next((value for found, value in self.headers if found.lower() == name), None)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def of_json(cls, status: int, content: Any) -> Self:
        """Return an answer that holds `content` as JSON."""
        return cls(status, json.dumps(content).encode(), (("Content-Type", "application/json"),))


Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


class _TooLarge(Exception):
    pass


class HttpServer:
    """Serves a handler on a loopback port until closed."""

    def __init__(self, handler: Handler) -> None:
        """Nothing listens yet."""
        self._handler = handler
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @classmethod
    async def start(cls, handler: Handler, port: int = 0) -> Self:
        """Listen; port 0 takes any free one.

        Raises:
            OSError: the port is taken.

        """
        server = cls(handler)
        server._server = await asyncio.start_server(server._serve, LOOPBACK, port, backlog=1024)
        server.port = server._server.sockets[0].getsockname()[1]
        return server

    def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server:
            self._server.close()
        for connection in self._connections:
            connection.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            # Cancelled by close(), or the peer has gone: either way nobody waits for an answer.
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await self._converse(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        while True:
            try:
                request = await _receive(connection, reader, writer)
            except h11.RemoteProtocolError as error:
                response = HttpResponse(error.error_status_hint, str(error).encode())
            except _TooLarge:
                response = HttpResponse(413, f"the limit is {_BODY_BYTES} bytes".encode())
            else:
                if request is None:
                    return
                response = await self._handler(request)
            writer.write(_encode(connection, response))
            await writer.drain()
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()


async def _receive(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> HttpRequest | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                writer.write(connection.send(go_on) or b"")
            connection.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _BODY_BYTES:
                raise _TooLarge
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            return HttpRequest(
                head.method.decode(),
                head.target.decode("latin-1"),
                tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers.raw_items()),
                bytes(body),
            )
        else:  # ConnectionClosed
            return None


def _encode(connection: h11.Connection, response: HttpResponse) -> bytes:
    if connection.our_state in (h11.MUST_CLOSE, h11.ERROR):
        return b""
    headers = list(response.headers)
    if not any(name.lower() == "content-length" for name, _ in headers) and response.status != 204:
        headers.append(("Content-Length", str(len(response.body))))
    events: list[h11.Event] = [h11.Response(status_code=response.status, headers=headers)]
    if response.body:
        events.append(h11.Data(data=response.body))
    events.append(h11.EndOfMessage())
    return b"".join(connection.send(event) or b"" for event in events)
