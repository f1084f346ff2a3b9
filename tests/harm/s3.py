"""An S3 that fails as it is told, at the level of HTTP."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]
Fault = Callable[[Application, Environ, Any], Iterable[bytes]]


def refusal(status: str, code: str) -> Fault:
    """Answer with an error, and do nothing."""

    def fault(_application: Application, _environ: Environ, start: Any) -> Iterable[bytes]:
        start(status, [("Content-Type", "application/xml")])
        return [f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()]

    return fault


def dropped_answer(application: Application, environ: Environ, start: Any) -> Iterable[bytes]:
    """Do what is asked, and close the connection instead of saying so."""
    for _ in application(environ, lambda *_arguments: None):
        pass
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    start("200 OK", [])
    return []


def away(_application: Application, environ: Environ, start: Any) -> Iterable[bytes]:
    """Close the connection, with nothing done, as who is being restarted does."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    start("200 OK", [])
    return []


def slow(seconds: float) -> Fault:
    """Do what is asked, and say so late."""

    def fault(application: Application, environ: Environ, start: Any) -> Iterable[bytes]:
        answer = application(environ, start)
        time.sleep(seconds)
        return answer

    return fault


SLOW_DOWN = refusal("503 Slow Down", "SlowDown")
INTERNAL_ERROR = refusal("500 Internal Server Error", "InternalError")
CREATING = refusal("409 Conflict", "ConditionalRequestConflict")


@dataclass
class FaultyS3:
    """Puts meet the `faults` one after the other, and succeed once there are none left."""

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    good_puts: int | None = None  # after so many, every put fails
    puts: int = 0

    def around(self, application: Application) -> Application:
        def answer(environ: Environ, start: Any) -> Iterable[bytes]:
            # A bucket is created, an object put; only objects meet faults.
            if environ["REQUEST_METHOD"] != "PUT" or environ["PATH_INFO"].count("/") < 2:
                return application(environ, start)
            self.puts += 1
            if self.good_puts is not None and self.puts > self.good_puts:
                return INTERNAL_ERROR(application, environ, start)
            if self.faults:
                return self.faults.pop(0)(application, environ, start)
            return application(environ, start)

        return answer


@contextlib.contextmanager
def faulty_s3() -> Iterator[FaultyS3]:
    """Run one on loopback for as long as the block lasts."""
    s3 = FaultyS3()
    application = s3.around(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    s3.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield s3
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
