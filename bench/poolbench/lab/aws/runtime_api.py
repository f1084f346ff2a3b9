"""The Runtime API (2018-06-01) of one runtime process: `awslambdaric` asks it for events and answers to it.

Each runtime has a port of its own: the client takes a host and a port, no path.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

from poolbench.lab.http_server import HttpRequest, HttpResponse, HttpServer
from poolbench.lab.platform import LOOPBACK

_ROOT = "/2018-06-01/runtime/"
_MEDIA_TYPE = "application/json"
RESPONSE_LIMIT = 6 * 1024 * 1024 + 100  # as AWS's own runtime interface emulator has it


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaInvocation:
    """One event on its way to the handler."""

    request_id: str
    arn: str  # as the caller qualified it
    payload: bytes
    client_context: str | None = None  # JSON
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class HandlerResult:
    """What the handler returned, or the error that it raised."""

    payload: bytes
    is_error: bool = False


class InitError(Exception):
    """The runtime could not load the handler; `payload` is its report, JSON."""

    def __init__(self, payload: bytes) -> None:
        """Keep the report."""
        super().__init__(payload)
        self.payload = payload


class RuntimeApi:
    """What one runtime sees of Lambda.

    Attributes:
        initialised: done when the runtime first asks for an event; an InitError if it never will.

    """

    def __init__(self, on_next: Callable[[], None]) -> None:
        """`on_next` is called when the runtime asks for an event: it has finished all it had to do."""
        self._on_next = on_next
        self.initialised: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked: asyncio.Future[tuple[LambdaInvocation, int]] | None = None
        self._current: LambdaInvocation | None = None
        self._answer: asyncio.Future[HandlerResult] | None = None
        self._server: HttpServer | None = None

    @property
    def waiting(self) -> bool:
        """Whether the runtime has asked for an event and not got one yet."""
        return self._asked is not None

    async def start(self) -> str:
        """Listen; returns the value of AWS_LAMBDA_RUNTIME_API."""
        self._server = await HttpServer.start(self._handle)
        return f"{LOOPBACK}:{self._server.port}"

    def close(self) -> None:
        """Drop the runtime's connections."""
        if self._server:
            self._server.close()

    def deliver(self, invocation: LambdaInvocation, deadline_ms: int) -> asyncio.Future[HandlerResult]:
        """Hand an event to the runtime that has asked for one; the future is its answer.

        Args:
            invocation: the event.
            deadline_ms: wall clock since the epoch, when the function times out.

        """
        assert self._asked is not None, "the runtime has not asked for an event"
        self._current, self._answer = invocation, asyncio.get_running_loop().create_future()
        self._asked.set_result((invocation, deadline_ms))
        self._asked = None
        return self._answer

    async def _handle(self, request: HttpRequest) -> HttpResponse:
        if not request.target.startswith(_ROOT):
            return _refuse(404, "NotFound", f"no such path: {request.target}")
        match request.method, request.target.removeprefix(_ROOT).split("/"):
            case "GET", ["invocation", "next"]:
                return await self._next()
            case "POST", ["invocation", request_id, "response" | "error" as kind]:
                return self._finish(request_id, HandlerResult(request.body, is_error=kind == "error"))
            case "POST", ["init", "error"]:
                if not self.initialised.done():
                    self.initialised.set_exception(InitError(request.body))
                return _accept()
        return _refuse(404, "NotFound", f"no such operation: {request.method} {request.target}")

    async def _next(self) -> HttpResponse:
        self._asked = asyncio.get_running_loop().create_future()
        self._current = None
        asked = self._asked
        if not self.initialised.done():
            self.initialised.set_result(None)
        self._on_next()
        invocation, deadline_ms = await asked
        headers = [
            # Without a Content-Type the client's C++ half dereferences a null pointer.
            ("Content-Type", _MEDIA_TYPE),
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", invocation.arn),
            ("Lambda-Runtime-Trace-Id", invocation.trace_id),
        ]
        if invocation.client_context is not None:
            headers.append(("Lambda-Runtime-Client-Context", invocation.client_context))
        return HttpResponse(200, invocation.payload, tuple(headers))

    def _finish(self, request_id: str, answer: HandlerResult) -> HttpResponse:
        if self._current is None or self._answer is None or request_id != self._current.request_id:
            return _refuse(400, "InvalidRequestID", "Invalid request ID")
        if self._answer.done():
            return _refuse(403, "InvalidStateTransition", "the invocation has its answer")
        size = len(answer.payload)
        if size > RESPONSE_LIMIT:
            message = (
                f"Response payload size ({size} bytes) exceeded maximum allowed payload size "
                f"({RESPONSE_LIMIT} bytes)."
            )
            self._answer.set_result(error_result("Function.ResponseSizeTooLarge", message))
            limit = f"Exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
            return _refuse(413, "RequestEntityTooLarge", limit)
        self._answer.set_result(answer)
        return _accept()


def error_result(kind: str, message: str) -> HandlerResult:
    """Return the answer that Lambda gives in place of a function that failed."""
    return HandlerResult(json.dumps({"errorType": kind, "errorMessage": message}).encode(), is_error=True)


def _accept() -> HttpResponse:
    return HttpResponse(202, b'{"status":"OK"}\n', (("Content-Type", _MEDIA_TYPE),))


def _refuse(status: int, kind: str, message: str) -> HttpResponse:
    body = json.dumps({"errorMessage": message, "errorType": kind}).encode()
    return HttpResponse(status, body, (("Content-Type", _MEDIA_TYPE),))
