"""The control API: HTTP and JSON, on loopback, for whoever runs the proxy.

GET /metrics    counters and gauges under CloudWatch's names; a number, or numbers by group
GET /clients    client connections, open and recently closed, with their commands
GET /settings   settings under their AWS names
PUT /settings   change some of them
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from bench.lab.proxy.server import Proxy
from bench.lab.proxy.settings import SettingError

BODY_LIMIT = 1 << 20
REQUEST_TIMEOUT_S = 10

Handler = Callable[[Any], Awaitable[Any]]


class BadRequest(Exception):
    """A request that cannot be carried out; the message says why."""


class Control:
    """Serves the API for one proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._handlers: dict[tuple[str, str], Handler] = {
            ("GET", "/metrics"): self._metrics,
            ("GET", "/clients"): self._clients,
            ("GET", "/settings"): self._settings,
            ("PUT", "/settings"): self._change_settings,
        }

    async def listen(self, host: str) -> str:
        """Serve on a free port; returns the URL."""
        server = await asyncio.start_server(self._serve, host, 0)
        host, port = server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                status, answer = await self._answer(reader)
                body = json.dumps(answer).encode()
                head = (
                    f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked has gone, or never asked
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[str, Any]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request, *headers = head.split("\r\n")
        method, _, target = request.partition(" ")
        handler = self._handlers.get((method, target.partition(" ")[0]))
        if handler is None:
            return "404 Not Found", {"error": f"no {request}; see bench.lab.proxy.control"}
        try:
            return "200 OK", await handler(json.loads(await reader.readexactly(_length(headers)) or b"{}"))
        except (BadRequest, SettingError, ValueError) as error:
            return "400 Bad Request", {"error": str(error)}

    async def _metrics(self, _: Any) -> Any:
        return self._proxy.metrics()

    async def _clients(self, _: Any) -> Any:
        return self._proxy.clients()

    async def _settings(self, _: Any) -> Any:
        return self._proxy.context.settings.as_dict()

    async def _change_settings(self, body: Any) -> Any:
        if not isinstance(body, dict):
            raise BadRequest("settings come as an object")
        await self._proxy.change(self._proxy.context.settings.changed(body))
        return self._proxy.context.settings.as_dict()


def _length(headers: list[str]) -> int:
    for header in headers:
        name, _, value = header.partition(":")
        if name.lower() == "content-length":
            length = int(value)
            if length > BODY_LIMIT:
                raise BadRequest(f"a body of {length} bytes; the limit is {BODY_LIMIT}")
            return length
    return 0
