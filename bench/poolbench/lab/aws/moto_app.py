"""moto's server application: S3, Secrets Manager and Step Functions, in threads beside the event loop."""

import asyncio
import io
import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

from poolbench.lab.http_server import HttpRequest, HttpResponse
from poolbench.lab.platform import LOOPBACK

_THREADS = 8
_SPELLED = "moto.preserved_header_names"


class MotoApp:
    """moto, imported at its first request: importing takes a second, and a campaign may not need it."""

    def __init__(self, port: int) -> None:
        """`port` is where the endpoint listens: moto's Step Functions invoke their Lambda there."""
        self._port = port
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="moto")
        self._lock = threading.Lock()
        self._application: Callable[..., Any] | None = None

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, request)

    def _run(self, request: HttpRequest) -> HttpResponse:
        with self._lock:
            if self._application is None:
                self._application = _load(self._port)
        from werkzeug.test import run_wsgi_app  # noqa: PLC0415 (comes with moto)

        chunks, status, headers = run_wsgi_app(self._application, self._environ(request), buffered=True)
        body = b"" if request.method == "HEAD" else b"".join(chunks)
        return HttpResponse(int(status.split()[0]), body, tuple(headers.items()))

    def _environ(self, request: HttpRequest) -> dict[str, Any]:
        """WSGI's view of the request (PEP 3333), with the raw path that S3 keys need."""
        path, _, query = request.target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "REQUEST_URI": request.target,
            "RAW_URI": request.target,
            "REMOTE_ADDR": LOOPBACK,
            "SERVER_NAME": LOOPBACK,
            "SERVER_PORT": str(self._port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        spelled: dict[str, str] = {}  # WSGI cannot tell - from _, and moto asks for the difference
        for name, value in request.headers:
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
            if "_" in name:
                spelled[key] = name
        environ[_SPELLED] = spelled
        environ["CONTENT_LENGTH"] = str(len(request.body))  # h11 has joined the chunks
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return environ


def _load(port: int) -> Callable[..., Any]:
    os.environ["MOTO_PORT"] = str(port)  # this is how its Step Functions find our Lambda
    from moto.core.config import default_user_config  # noqa: PLC0415
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
        DomainDispatcherApplication,
        create_backend_app,
    )

    default_user_config["stepfunctions"]["execute_state_machine"] = True
    logging.getLogger("moto").setLevel(logging.CRITICAL)  # it prints whole state machines otherwise
    application: Callable[..., Any] = DomainDispatcherApplication(create_backend_app)
    return application
