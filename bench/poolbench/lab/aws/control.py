"""The lab's own view of the environments: which there are, whether all are ready, and their replacement."""

import json
from collections.abc import Mapping
from typing import Any

from poolbench.lab.aws.environment import Environment
from poolbench.lab.aws.fleet import Fleet, ProvisioningFailed
from poolbench.lab.aws.freezer import Freeze
from poolbench.lab.http_server import Request, Response

PREFIX = "/_lab/"


class Control:
    """`GET /_lab/ready`, `GET /_lab/environments`, `POST /_lab/replace`."""

    def __init__(self, fleets: Mapping[str, Fleet], freeze: Freeze) -> None:
        """`freeze` says how environments are frozen."""
        self._fleets, self._freeze = fleets, freeze
        self.ready = False
        self.failure: str | None = None  # why it never will be

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        match request.method, request.path.removeprefix(PREFIX):
            case "GET", "ready":
                status = 200 if self.ready else 500 if self.failure else 503
                return Response.of_json(status, {"ready": self.ready, "error": self.failure})
            case "GET", "environments":
                described = [describe(name, each) for name, each in self._environments()]
                return Response.of_json(200, {"freeze": self._freeze, "environments": described})
            case "POST", "replace":
                return await self._replace(request)
        return Response.of_json(404, {"error": "GET ready, GET environments or POST replace"})

    def _environments(self) -> list[tuple[str, Environment]]:
        return [(name, each) for name, fleet in self._fleets.items() for each in fleet.environments]

    async def _replace(self, request: Request) -> Response:
        try:
            wanted = json.loads(request.body)["environment"]
        except (ValueError, KeyError, TypeError):
            return Response.of_json(400, {"error": 'send {"environment": id}'})
        for name, environment in self._environments():
            if environment.id == wanted:
                try:
                    successor = await self._fleets[name].replace(environment)
                except ProvisioningFailed as failed:
                    return Response.of_json(500, {"error": str(failed)})
                return Response.of_json(200, {"environment": successor.id if successor else None})
        return Response.of_json(404, {"error": f"no environment {wanted}"})


def describe(function: str, environment: Environment) -> dict[str, Any]:
    """JSON types."""
    return {
        "id": environment.id,
        "function": function,
        "version": environment.version,
        "provisioned": environment.provisioned,
        "pid": environment.pid,
        "state": environment.state.value,
        "freezes": environment.freezes,
        "invocations": environment.invocations,
        "init_s": environment.init_s,
        "peak_mb": environment.peak_mb,
    }
