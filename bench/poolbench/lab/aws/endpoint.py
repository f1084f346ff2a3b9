"""One loopback port for everything: Lambda's Invoke API, moto for other services, the lab's own control."""

import asyncio
import os
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from poolbench.lab.aws import control, invoke_api
from poolbench.lab.aws.environment import Host
from poolbench.lab.aws.fleet import Fleet, ProvisioningFailed
from poolbench.lab.aws.freezer import Freezer
from poolbench.lab.aws.function import FunctionConfig
from poolbench.lab.aws.moto_app import MotoApp
from poolbench.lab.aws.warden import Warden
from poolbench.lab.http_server import HttpServer, Request, Response
from poolbench.lab.ports import LOOPBACK


class Endpoint:
    """The service: `start`, `provision`, `reap`, `close`."""

    def __init__(self, configs: Sequence[FunctionConfig], log_dir: Path, freezer: Freezer) -> None:
        """Set up; nothing listens yet."""
        self._configs, self._log_dir, self._freezer = configs, log_dir, freezer
        self._server: HttpServer | None = None
        self._warden = Warden()
        self._fleets: dict[str, Fleet] = {}
        self.url = ""

    async def start(self, port: int) -> None:
        """Listen; port 0 takes any free one.

        Raises:
            OSError: the port is taken.

        """
        self._server = await HttpServer.start(self._route, port)
        self.url = f"http://{LOOPBACK}:{self._server.port}"
        host = Host(
            endpoint_url=self.url,
            log_dir=self._log_dir,
            freezer=self._freezer,
            warden=self._warden,
            init_slots=asyncio.Semaphore(os.cpu_count() or 1),
        )
        self._fleets.update({config.name: Fleet(config, host) for config in self._configs})
        self._lambda = invoke_api.InvokeApi(self._fleets)
        self._control = control.Control(self._fleets, self._freezer.kind)
        self._moto = MotoApp(self._server.port)

    async def provision(self) -> None:
        """Initialise what is provisioned; `/_lab/ready` tells when that is done, or why it failed."""
        try:
            await asyncio.gather(*(fleet.provision() for fleet in self._fleets.values()))
        except ProvisioningFailed as failed:
            self._control.failure = str(failed)
        except Exception as error:  # whatever it is, somebody waits to hear of it
            traceback.print_exc()
            self._control.failure = repr(error)
        else:
            self._control.ready = True

    async def reap(self, keep_idle_s: float) -> None:
        """End on-demand environments that have been idle for that long, or a tenth longer; for ever."""
        while True:
            await asyncio.sleep(keep_idle_s / 10)
            for fleet in self._fleets.values():
                fleet.reap(time.monotonic() - keep_idle_s)

    def close(self) -> None:
        """Kill every environment and stop listening."""
        for fleet in self._fleets.values():
            fleet.close()
        if self._server:
            self._server.close()
        self._warden.close()

    async def _route(self, request: Request) -> Response:
        try:
            if request.target.startswith(invoke_api.PREFIX):
                return await self._lambda.handle(request)
            if request.target.startswith(control.PREFIX):
                return await self._control.handle(request)
            return await self._moto.handle(request)
        except Exception:  # one request's trouble is not the service's
            traceback.print_exc()
            return Response(500, b'{"message":"the lab failed; see its log"}')
