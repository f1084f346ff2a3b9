"""The control API: HTTP and JSON, on loopback, for whoever runs the proxy.

GET /metrics     counters and gauges under CloudWatch's names; each a number, or numbers by group
GET /series      the same over time
GET /clients     client connections, open and recently closed, with the commands that each has sent
GET /events/N    what happened, from event number N on
GET /settings    settings under their AWS names
PUT /settings    change some of them
GET /listeners   ports, and the failure that rules on each
PUT /listeners/NAME   {"failure": ...}: let the clients of this one die in another way
GET /failures    what ways there are
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from bench.lab.ports import LOOPBACK
from bench.lab.proxy.faults import DESCRIPTIONS, Failure
from bench.lab.proxy.server import Proxy
from bench.lab.proxy.settings import SettingError

BODY_LIMIT = 1 << 20
REQUEST_TIMEOUT_S = 10

Handler = Callable[[str, Any], Awaitable[Any]]  # what follows in the path, and the body


class BadRequest(Exception):
    """A request that cannot be carried out; the message says why."""


class Control:
    """Serves the API for one proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._handlers: dict[tuple[str, str], Handler] = {
            ("GET", "metrics"): self._metrics,
            ("GET", "series"): self._series,
            ("GET", "clients"): self._clients,
            ("GET", "events"): self._events,
            ("GET", "settings"): self._settings,
            ("PUT", "settings"): self._change_settings,
            ("GET", "listeners"): self._listeners,
            ("PUT", "listeners"): self._fail,
            ("GET", "failures"): self._failures,
        }

    async def open(self) -> str:
        """Serve on a free loopback port; returns the URL."""
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        return f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"

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
        name, _, rest = target.partition(" ")[0].strip("/").partition("/")
        handler = self._handlers.get((method, name))
        if handler is None:
            known = ", ".join(f"{method} /{name}" for method, name in self._handlers)
            return "404 Not Found", {"error": f"there is no {method} /{name}, only {known}"}
        try:
            return "200 OK", await handler(
                rest, json.loads(await reader.readexactly(_length(headers)) or b"{}")
            )
        except (BadRequest, SettingError, ValueError) as error:
            return "400 Bad Request", {"error": str(error)}

    async def _metrics(self, _: str, __: Any) -> Any:
        return self._proxy.metrics()

    async def _series(self, _: str, __: Any) -> Any:
        return self._proxy.series.as_dict()

    async def _clients(self, _: str, __: Any) -> Any:
        return self._proxy.clients()

    async def _events(self, since: str, __: Any) -> Any:
        return self._proxy.context.events.since(int(since or 0))

    async def _settings(self, _: str, __: Any) -> Any:
        return self._proxy.context.settings.as_dict()

    async def _change_settings(self, _: str, body: Any) -> Any:
        if not isinstance(body, dict):
            raise BadRequest("settings come as an object")
        self._proxy.change(self._proxy.context.settings.changed(body))
        return self._proxy.context.settings.as_dict()

    async def _listeners(self, _: str, __: Any) -> Any:
        return {
            listener.name: {"host": listener.host, "port": listener.port, "failure": listener.failure}
            for listener in self._proxy.listeners.values()
        }

    async def _fail(self, name: str, body: Any) -> Any:
        if name not in self._proxy.listeners:
            raise BadRequest(f"there is no listener {name!r}, only {', '.join(self._proxy.listeners)}")
        failure = body.get("failure") if isinstance(body, dict) else None
        if failure not in list(Failure):
            raise BadRequest(f"there is no failure {failure!r}, only {', '.join(Failure)}")
        await self._proxy.fail(name, Failure(failure))
        return await self._listeners("", None)

    async def _failures(self, _: str, __: Any) -> Any:
        return {failure: asdict(description) for failure, description in DESCRIPTIONS.items()}


def _length(headers: list[str]) -> int:
    for header in headers:
        name, _, value = header.partition(":")
        if name.lower() == "content-length":
            length = int(value)
            if length > BODY_LIMIT:
                raise BadRequest(f"a body of {length} bytes; the limit is {BODY_LIMIT}")
            return length
    return 0
