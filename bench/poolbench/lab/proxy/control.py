"""The control API: HTTP and JSON, on loopback, for whoever runs the proxy. `HELP` lists it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

from poolbench.lab.http_server import HttpRequest, HttpResponse, HttpServer
from poolbench.lab.platform import LOOPBACK
from poolbench.lab.proxy.config import ConfigError, SettingError
from poolbench.lab.proxy.faults import DESCRIPTIONS, ProxyFault
from poolbench.lab.proxy.monitoring import ProxyEvent
from poolbench.lab.proxy.server import Proxy

HELP = """\
  GET /metrics         counters and gauges under CloudWatch's names; each a number, or numbers by group
  GET /series          the same over time, a sample a second
  GET /clients         client connections, open and recently closed, with the commands that each has sent
  GET /events          what happened to connections; with ?since=NUMBER, ?from_ns= and ?to_ns= (nanoseconds
                       since the epoch) or ?client=ID only a part of that
  GET /settings        settings under their AWS names
  PUT /settings        {"IdleClientTimeout": 5, ...}: change some of them
  GET /listeners       ports, and the failure that rules on each
  PUT /listeners/NAME  {"failure": "idle_reset"}: let its clients die in another way from now on
  GET /failures        what ways there are, and what each stands for
"""
EVENT_FILTERS = ("since", "from_ns", "to_ns", "client")

EVENTS_AT_ONCE = 100  # half a millisecond

Handler = Callable[[str, HttpRequest], Awaitable[Any]]  # what follows in the path, and the request


class BadControlRequest(Exception):
    """A request that cannot be carried out; the message says why."""


class ProxyControl:
    """Serves the API for one proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._handlers: Mapping[tuple[str, str], Handler] = {
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

    async def open(self, port: int) -> str:
        """Serve on a loopback port, 0 for any free one; returns the URL."""
        server = await HttpServer.start(self._answer, port)
        return f"http://{LOOPBACK}:{server.port}"

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        name, _, rest = request.path.strip("/").partition("/")
        if (request.method, name) == ("GET", ""):
            return HttpResponse(200, HELP.encode(), (("Content-Type", "text/plain"),))
        handler = self._handlers.get((request.method, name))
        if handler is None:
            known = ", ".join(f"{method} /{name}" for method, name in self._handlers)
            return HttpResponse.of_json(
                404, {"error": f"there is no {request.method} /{name}, only GET /, {known}"}
            )
        try:
            content = await handler(rest, request)
        except (BadControlRequest, ConfigError, SettingError) as error:
            return HttpResponse.of_json(400, {"error": str(error)})
        return content if isinstance(content, HttpResponse) else HttpResponse.of_json(200, content)

    async def _metrics(self, _: str, __: HttpRequest) -> Any:
        return self._proxy.metrics()

    async def _series(self, _: str, __: HttpRequest) -> Any:
        return self._proxy.series.as_dict()

    async def _clients(self, _: str, __: HttpRequest) -> Any:
        return self._proxy.clients()

    async def _events(self, _: str, request: HttpRequest) -> HttpResponse:
        """In parts, between which clients are served: samplers ask for thousands while load is measured."""
        selected = self._proxy.context.events.select(**_numbers(request, EVENT_FILTERS))
        parts = []
        for at in range(0, len(selected.events), EVENTS_AT_ONCE):
            some = [ProxyEvent._make(event)._asdict() for event in selected.events[at : at + EVENTS_AT_ONCE]]
            parts.append(json.dumps(some)[1:-1])
            await asyncio.sleep(0)
        rest = json.dumps({"next": selected.next, "forgotten": selected.forgotten})
        body = f'{{"events": [{", ".join(parts)}], {rest[1:]}'
        return HttpResponse(200, body.encode(), (("Content-Type", "application/json"),))

    async def _settings(self, _: str, __: HttpRequest) -> Any:
        return self._proxy.context.settings.as_dict()

    async def _change_settings(self, _: str, request: HttpRequest) -> Any:
        self._proxy.change(self._proxy.context.settings.changed(_body(request)))
        return self._proxy.context.settings.as_dict()

    async def _listeners(self, _: str, __: HttpRequest) -> Any:
        return {
            listener.name: {"host": listener.host, "port": listener.port, "failure": listener.failure}
            for listener in self._proxy.listeners.values()
        }

    async def _fail(self, name: str, request: HttpRequest) -> Any:
        if name not in self._proxy.listeners:
            raise BadControlRequest(f"there is no listener {name!r}, only {', '.join(self._proxy.listeners)}")
        failure = _body(request).get("failure")
        if failure not in list(ProxyFault):
            raise BadControlRequest(f"there is no failure {failure!r}, only {', '.join(ProxyFault)}")
        await self._proxy.fail(name, ProxyFault(failure))
        return await self._listeners("", request)

    async def _failures(self, _: str, __: HttpRequest) -> Any:
        return {failure: asdict(description) for failure, description in DESCRIPTIONS.items()}


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise BadControlRequest(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadControlRequest("the body is no JSON object")
    return body


def _numbers(request: HttpRequest, names: tuple[str, ...]) -> dict[str, int]:
    """Query parameters, all of which are whole numbers."""
    numbers = {}
    for name, text in parse_qsl(request.target.partition("?")[2], keep_blank_values=True):
        if name not in names:
            raise BadControlRequest(f"there is no parameter {name!r}, only {', '.join(names)}")
        try:
            numbers[name] = int(text)
        except ValueError:
            raise BadControlRequest(f"{name}: {text!r} is no whole number") from None
    return numbers
