"""A connection made while a provisioned environment initialises, and the first request long after."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from poolbench.lab.proxy import ProxySettings
from poolbench.lab.stack import Endpoints, LabSpec, running_stack
from poolbench.targets import variables_set
from poolbench.targets.functions import LANE, SAMPLER_FUNCTION
from poolbench.targets.lab import lab_functions
from tests.invocations import invocation
from tests.users import wait_for

FUNCTION = LANE.format(0)


@dataclass
class Early:
    """A lab whose one lane has connected at init."""

    endpoints: Endpoints

    def metrics(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.endpoints.proxy_control_url}/metrics") as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
        return found


@pytest.fixture
def early() -> Iterator[Early]:
    def functions(endpoints: Endpoints) -> list[Any]:
        lane, sampler = lab_functions(1, 30, endpoints)
        early = {**lane.environment, "POOLBENCH_CONNECT_AT_INIT": "proxy"}
        return [replace(lane, environment=early), sampler]

    with (
        running_stack(functions, LabSpec(ProxySettings(idle_client_timeout=1.0))) as stack,
        variables_set(stack.environment()),
    ):
        boto3.DEFAULT_SESSION = None
        yield Early(stack.endpoints)
        boto3.DEFAULT_SESSION = None


@pytest.mark.slow
def test_the_very_first_request_finds_the_connection_of_the_init_dead(early: Early, tmp_path: Path) -> None:
    assert early.metrics()["ClientConnectionsSetupSucceeded"] == 1
    wait_for(lambda: sum(early.metrics()["ClientConnectionsClosed"].values()) == 1)
    client = boto3.client("lambda")
    client.invoke(FunctionName=f"{SAMPLER_FUNCTION}:live", Payload=b'{"action": "prepare"}')
    event = invocation(tmp_path / "store")
    answer = client.invoke(FunctionName=f"{FUNCTION}:live", Payload=json.dumps(event.as_dict()))
    assert "FunctionError" not in answer, answer["Payload"].read()
    lines = (tmp_path / "store" / event.visit.key).read_text().splitlines()
    first, second = (json.loads(line) for line in lines)
    assert (first["state"], first["environment_ordinal"]) == ("first_in_environment", 0)
    assert (first["outcome"], first["error_code"]) == ("error", 2013)
    assert first["initialization"] == "provisioned-concurrency"
    assert first["connection_idle_s"] >= 1
    assert second["outcome"] == "reconnected"
