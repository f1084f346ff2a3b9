"""One loopback port for everything: Lambda's Invoke API, moto for other services, the lab's own control."""

import asyncio
import json
import os
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from poolbench.lab.aws.environment import ExecutionEnvironment, Host
from poolbench.lab.aws.fleet import FunctionFleet, ProvisioningFailed
from poolbench.lab.aws.freezer import Freeze, Freezer
from poolbench.lab.aws.function import FunctionConfig
from poolbench.lab.aws.invoke_api import PREFIX as INVOKE_PREFIX
from poolbench.lab.aws.invoke_api import InvokeApi
from poolbench.lab.aws.moto_app import MotoApp
from poolbench.lab.aws.watchdog import Watchdog
from poolbench.lab.http_server import HttpRequest, HttpResponse, HttpServer
from poolbench.lab.platform import LOOPBACK

PREFIX = "/_lab/"


class EnvironmentControl:
    """`GET /_lab/ready`, `GET /_lab/environments`, `POST /_lab/replace`."""

    def __init__(self, fleets: Mapping[str, FunctionFleet], freeze: Freeze) -> None:
        """`freeze` says how environments are frozen."""
        self._fleets, self._freeze = fleets, freeze
        self.ready = False
        self.failure: str | None = None  # why it will never be ready

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        match request.method, request.path.removeprefix(PREFIX):
            case "GET", "ready":
                status = 200 if self.ready else 500 if self.failure else 503
                return HttpResponse.of_json(status, {"ready": self.ready, "error": self.failure})
            case "GET", "environments":
                described = [asdict(each.info) for _, each in self._environments()]
                return HttpResponse.of_json(200, {"freeze": self._freeze, "environments": described})
            case "POST", "replace":
                return await self._replace(request)
        return HttpResponse.of_json(404, {"error": "GET ready, GET environments or POST replace"})

    def _environments(self) -> list[tuple[str, ExecutionEnvironment]]:
        return [(name, each) for name, fleet in self._fleets.items() for each in fleet.environments]

    async def _replace(self, request: HttpRequest) -> HttpResponse:
        try:
            wanted = json.loads(request.body)["environment"]
        except (ValueError, KeyError, TypeError):
            return HttpResponse.of_json(400, {"error": 'send {"environment": id}'})
        for name, environment in self._environments():
            if environment.id == wanted:
                try:
                    successor = await self._fleets[name].replace(environment)
                except ProvisioningFailed as failed:
                    return HttpResponse.of_json(500, {"error": str(failed)})
                return HttpResponse.of_json(200, {"environment": successor.id if successor else None})
        return HttpResponse.of_json(404, {"error": f"no environment {wanted}"})


class AwsService:
    """The service: `start`, `provision`, `reap`, `close`."""

    def __init__(self, configs: Sequence[FunctionConfig], log_dir: Path, freezer: Freezer) -> None:
        """Set up; nothing listens yet."""
        self._configs, self._log_dir, self._freezer = configs, log_dir, freezer
        self._server: HttpServer | None = None
        self._watchdog = Watchdog()
        self._fleets: dict[str, FunctionFleet] = {}
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
            watchdog=self._watchdog,
            init_slots=asyncio.Semaphore(os.cpu_count() or 1),
        )
        self._fleets.update({config.name: FunctionFleet(config, host) for config in self._configs})
        self._lambda = InvokeApi(self._fleets)
        self._control = EnvironmentControl(self._fleets, self._freezer.kind)
        self._moto = MotoApp(self._server.port)

    async def provision(self) -> None:
        """Initialise what is provisioned; `/_lab/ready` tells when that is done, or why it failed."""
        try:
            await asyncio.gather(*(fleet.provision() for fleet in self._fleets.values()))
        except ProvisioningFailed as failed:
            self._control.failure = str(failed)
        except Exception as error:  # callers wait for readiness and must learn of any failure
            traceback.print_exc()
            self._control.failure = repr(error)
        else:
            self._control.ready = True

    async def reap(self, keep_idle_s: float) -> None:
        """Keep ending on-demand environments that have been idle for that long, or up to a tenth longer."""
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
        self._watchdog.close()

    async def _route(self, request: HttpRequest) -> HttpResponse:
        try:
            if request.target.startswith(INVOKE_PREFIX):
                return await self._lambda.handle(request)
            if request.target.startswith(PREFIX):
                return await self._control.handle(request)
            return await self._moto.handle(request)
        except Exception:  # a failed request must not end the service
            traceback.print_exc()
            return HttpResponse(500, b'{"message":"the lab failed; see its log"}')
