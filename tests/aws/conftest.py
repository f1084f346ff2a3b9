"""A deployed stack, as far as one can be had without AWS."""

import functools
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.loaders import JSONFileLoader
from moto.backends import get_backend

from tests.aws.moto_server import ACCOUNT, REGION, MotoServer, moto_server

STACK = "poolbench"
PARAMETERS = {
    "IdleClientTimeout": "60",
    "FunctionTimeout": "60",
    "ConnectionBorrowTimeout": "120",
    "MaxConnections": "600",
    "MaxConnectionsPercent": "100",
    "MaxIdleConnectionsPercent": "50",
    "WaitTimeout": "28800",
    "FleetConcurrency": "10",
    "WithTokens": "true",
    "MemorySize": "512",
    "DatabaseClass": "db.t4g.medium",
    "EngineVersion": "8.4",
    "DeleteAt": "2099-01-31T18:00:00",
}


def outputs(**changed: str) -> dict[str, str]:
    """Outputs of the stack, with the names of infra/template.yaml."""
    return {
        "ResultsStore": "s3://poolbench-results-1/campaigns",
        "LaneFunctions": ",".join(f"poolbench-lane-{number:02d}:live" for number in range(12)),
        "SamplerFunction": "poolbench-sampler:live",
        "ConductorFunction": "poolbench-conductor:live",
        "InitLaneFunction": "poolbench-init:live",
        "OnDemandFunction": "poolbench-on-demand:live",
        "FleetFunction": "poolbench-fleet:live",
        "StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:poolbench-campaign",
        "ProxyName": STACK,
        "IdleClientTimeout": "60",
        "FunctionNames": "poolbench-lane-00,poolbench-sampler",
    } | changed


def create_stack(found: dict[str, str], parameters: dict[str, str] | None = None, stack: str = STACK) -> None:
    """Create a stack of next to nothing but outputs and parameters."""
    given = PARAMETERS if parameters is None else parameters
    template = {
        "Parameters": {name: {"Type": "String"} for name in given},
        "Resources": {"Something": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {name: {"Value": value} for name, value in found.items()},
    }
    boto3.client("cloudformation").create_stack(
        StackName=stack,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
    )


def stack_backend() -> Any:
    """What moto keeps of the stacks, to put them into a state that nothing here brings about."""
    return get_backend("cloudformation")[ACCOUNT][REGION]


def make_bucket(*keys: str, name: str = "poolbench-results-1") -> Any:
    """A bucket with these objects, and a client."""
    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    for key in keys:
        client.upload_fileobj(io.BytesIO(b"x" * 1000), name, key)
    return client


@pytest.fixture(scope="session", autouse=True)
def descriptions_are_read_once() -> Iterator[None]:
    """Each command opens a session, which reads botocore's descriptions of the services: half of its time."""
    read = functools.cache(functools.partial(JSONFileLoader.load_file, JSONFileLoader()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _self, path: read(path))
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[MotoServer]:
    """One for all tests: moto takes long to start."""
    with moto_server() as running:
        yield running


@pytest.fixture
def moto(server: MotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MotoServer]:
    """An empty account, and boto3 pointed at it."""
    server.reset()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    # Whatever the machine is configured with is not the test's.
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    yield server
    boto3.DEFAULT_SESSION = None
