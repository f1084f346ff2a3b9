"""The Runtime API of one execution environment: what `awslambdaric` polls for events and answers to."""

import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.lab.ports import LOOPBACK

VERSION = "2018-06-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One invocation on its way to the handler."""

    request_id: str
    payload: bytes
    deadline_ms: int  # wall clock, epoch
    arn: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the runtime answered."""

    payload: bytes
    error: bool


class RuntimeApi:
    """Serves one environment on a port of its own, as http.client and libcurl both expect.

    `on_next` runs when the runtime asks for the next event, which is when Lambda freezes it; `before_event`
    runs, thawing, right before an event is handed out.
    """

    def __init__(
        self,
        on_next: Callable[[], None],
        before_event: Callable[[], None],
        on_result: Callable[[Result], None],
        on_init_error: Callable[[bytes], None],
    ) -> None:
        """Listen at once; `close` ends it."""
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.on_next, self.before_event = on_next, before_event
        self.on_result, self.on_init_error = on_result, on_init_error
        self._server = _Server(self)
        self.address = f"{LOOPBACK}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def send(self, event: Event) -> None:
        """Hand an event to the waiting runtime."""
        self._events.put(event)

    def next_event(self) -> Event | None:
        """Block until there is one; None: the environment is going away."""
        return self._events.get()

    def close(self) -> None:
        """Stop serving; the runtime should be dead by now."""
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, api: RuntimeApi) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.api = api


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else delayed acknowledgements cost 40 ms
    wbufsize = -1  # headers and body leave together
    server: _Server

    def do_GET(self) -> None:
        """Serve `next`."""
        if self.path != f"/{VERSION}/runtime/invocation/next":
            self._answer(404, {"errorMessage": self.path})
            return
        api = self.server.api
        api.on_next()
        event = api.next_event()
        if event is None:
            self.close_connection = True
            return
        api.before_event()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": event.request_id,
            "Lambda-Runtime-Deadline-Ms": str(event.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": event.arn,
        }
        self._answer(200, event.payload, headers)

    def do_POST(self) -> None:
        """Serve `response`, `error` and `init/error`."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        api, (*_, kind) = self.server.api, self.path.split("/")
        if self.path == f"/{VERSION}/runtime/init/error":
            api.on_init_error(body)
        elif kind in ("response", "error"):
            api.on_result(Result(body, error=kind == "error"))
        # Last: once it has its answer, the runtime asks for the next event, which ends the invocation.
        self._answer(202, {"status": "OK"})

    def _answer(
        self, status: int, body: bytes | dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        # Without a Content-Type, the runtime client's C++ half dereferences a null pointer.
        always = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        for name, value in {**(headers or {}), **always}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the base class would print each request."""
