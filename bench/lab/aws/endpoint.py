"""One loopback port for everything: our Lambda service, and moto for the other AWS services."""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from bench.lab.aws.invoke_api import PREFIX, InvokeApi
from bench.lab.aws.service import Service
from bench.lab.ports import LOOPBACK

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # boto3 keeps its connections
    disable_nagle_algorithm = True  # else delayed acknowledgements cost 40 ms
    wbufsize = -1  # headers and body leave together

    def log_request(self, *_: Any) -> None:
        """Say nothing."""


class _Moto:
    """moto's server application, imported at its first request: that takes seconds, and many need none."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._application: Application | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            if self._application is None:
                # Its Step Functions invoke Lambda at this port, which is how they reach ours.
                os.environ["MOTO_PORT"] = str(self._port)
                from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
                    DomainDispatcherApplication,
                    create_backend_app,
                )

                self._application = DomainDispatcherApplication(create_backend_app)
        return self._application(environ, start_response)


def make_endpoint(service: Service, port: int) -> BaseWSGIServer:
    """Bind the port (0: any free one); call `serve_forever` on the result.

    Raises:
        OSError: the port is taken.

    """
    lambda_service = InvokeApi(service)
    moto: list[_Moto] = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        ours = environ["PATH_INFO"].startswith((PREFIX, "/_lab/"))
        return (lambda_service if ours else moto[0])(environ, start_response)

    server = make_server(LOOPBACK, port, application, threaded=True, request_handler=_Handler)
    moto.append(_Moto(server.port))
    return server
