"""The control API: HTTP and JSON, on loopback. `HELP` lists it."""

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
from poolbench.lab.proxy.monitoring import ConnectionEvent
from poolbench.lab.proxy.server import Proxy
from poolbench.typed import unknown

HELP = """\
  GET /metrics         counters and gauges under CloudWatch's names; each a number, or numbers by group
  GET /series          the same over time, a sample a second
  GET /clients         client connections, open and recently closed, with the commands that each has sent
  GET /events          what happened to connections; with ?since=NUMBER, ?from_ns= and ?to_ns= (nanoseconds
                       since the epoch) or ?client=ID only a part of that
  GET /settings        settings under their AWS names
  PUT /settings        {"IdleClientTimeout": 5, ...}: change some of them
  GET /listeners       ports, and the failure on each
  PUT /listeners/NAME  {"failure": "idle_reset"}: change the failure of this listener
  GET /failures        all failures, and what each stands for
"""
EVENT_FILTERS = ("since", "from_ns", "to_ns", "client")

EVENTS_AT_ONCE = 100  # half a millisecond

Action = Callable[[str, HttpRequest], Awaitable[HttpResponse]]  # what follows in the path, and the request


class BadControlRequest(Exception):
    """A request that cannot be carried out; the message says why."""


class ProxyControl:
    """Serves the API for one proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._views: Mapping[str, Callable[[], Any]] = {
            "metrics": proxy.metrics,
            "series": proxy.series.as_dict,
            "clients": proxy.clients,
            "settings": self._settings,
            "listeners": self._listeners,
            "failures": lambda: {failure: asdict(about) for failure, about in DESCRIPTIONS.items()},
        }
        self._actions: Mapping[tuple[str, str], Action] = {
            ("GET", "events"): self._events,
            ("PUT", "settings"): self._change_settings,
            ("PUT", "listeners"): self._fail,
        }

    async def open(self, port: int) -> str:
        """Serve on a loopback port, 0 for any free one; returns the URL."""
        server = await HttpServer.start(self._answer, port)
        return f"http://{LOOPBACK}:{server.port}"

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        name, _, rest = request.path.strip("/").partition("/")
        if (request.method, name) == ("GET", ""):
            return HttpResponse(200, HELP.encode(), (("Content-Type", "text/plain"),))
        try:
            if request.method == "GET" and name in self._views:
                return HttpResponse.of_json(200, self._views[name]())
            if action := self._actions.get((request.method, name)):
                return await action(rest, request)
        except (BadControlRequest, ConfigError, SettingError) as error:
            return HttpResponse.of_json(400, {"error": str(error)})
        known = [*(("GET", view) for view in self._views), *self._actions]
        offers = ", ".join(f"{method} /{name}" for method, name in known)
        return HttpResponse.of_json(404, {"error": f"unknown {request.method} /{name}: use GET /, {offers}"})

    async def _events(self, _: str, request: HttpRequest) -> HttpResponse:
        """In parts, between which clients are served: samplers ask for thousands while load is measured."""
        selected = self._proxy.context.events.select(**_numbers(request, EVENT_FILTERS))
        parts = []
        for at in range(0, len(selected.events), EVENTS_AT_ONCE):
            some = [
                ConnectionEvent._make(event)._asdict() for event in selected.events[at : at + EVENTS_AT_ONCE]
            ]
            parts.append(json.dumps(some)[1:-1])
            await asyncio.sleep(0)
        rest = json.dumps({"next": selected.next, "forgotten": selected.forgotten})
        body = f'{{"events": [{", ".join(parts)}], {rest[1:]}'
        return HttpResponse(200, body.encode(), (("Content-Type", "application/json"),))

    async def _change_settings(self, _: str, request: HttpRequest) -> HttpResponse:
        self._proxy.change(self._proxy.context.settings.changed(_body(request)))
        return HttpResponse.of_json(200, self._settings())

    def _settings(self) -> dict[str, Any]:
        return self._proxy.context.settings.as_dict()

    def _listeners(self) -> dict[str, Any]:
        return {
            listener.name: {"host": listener.host, "port": listener.port, "failure": listener.failure}
            for listener in self._proxy.listeners.values()
        }

    async def _fail(self, name: str, request: HttpRequest) -> HttpResponse:
        if name not in self._proxy.listeners:
            raise BadControlRequest(f"listener: {unknown(name, self._proxy.listeners)}")
        failure = _body(request).get("failure")
        if failure not in list(ProxyFault):
            raise BadControlRequest(f"failure: {unknown(str(failure), ProxyFault)}")
        await self._proxy.fail(name, ProxyFault(failure))
        return HttpResponse.of_json(200, self._listeners())


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise BadControlRequest(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadControlRequest("the body must be a JSON object")
    return body


def _numbers(request: HttpRequest, names: tuple[str, ...]) -> dict[str, int]:
    """Query parameters, all of which are whole numbers."""
    numbers = {}
    for name, text in parse_qsl(request.target.partition("?")[2], keep_blank_values=True):
        if name not in names:
            raise BadControlRequest(f"parameter: {unknown(name, names)}")
        try:
            numbers[name] = int(text)
        except ValueError:
            raise BadControlRequest(f"{name}: {text!r} is not a whole number") from None
    return numbers
