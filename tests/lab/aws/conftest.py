"""A Lambda service with the test functions, and a caller that uses boto3 as everybody does."""

import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from poolbench.lab.aws import EnvironmentInfo, FunctionConfig, RunningAws, running_aws

FUNCTIONS = Path(__file__).parent / "functions"


def function(name: str, handler: str | None = None, **settings: Any) -> FunctionConfig:
    """One of the test functions; by default the handler of its own name."""
    handler = handler or f"handlers.{name.replace('-', '_')}"
    return FunctionConfig(name=name, handler=handler, code=FUNCTIONS, **settings)


def poll(ready: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.01)


def process_state(pid: int) -> str | None:
    """State letter of proc(5), T for stopped; None if there is no such process, or only its entry is left.

    A signal takes effect when the kernel gets to it: poll for the state, do not assert it.
    """
    try:
        state = _state(Path(f"/proc/{pid}/stat"))
    except OSError:
        return None
    return None if state in "ZX" else state


def thread_states(pid: int) -> set[str]:
    """State letters of all threads of a process."""
    return {_state(path) for path in Path(f"/proc/{pid}/task").glob("*/stat")}


def _state(stat: Path) -> str:
    return stat.read_text().rpartition(")")[2].split()[0]


@dataclass(frozen=True)
class Reply:
    """What `invoke` answered."""

    payload: Any
    error: str | None
    log: str
    version: str


class Caller:
    """boto3, without retries, against a service."""

    def __init__(self, aws: RunningAws) -> None:
        self.aws = aws
        self.settings = {
            "endpoint_url": aws.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "lab",
            "aws_secret_access_key": "lab",
        }
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            config = Config(retries={"total_max_attempts": 1}, max_pool_connections=80, read_timeout=60)
            self._clients[service] = boto3.client(service, config=config, **self.settings)
        return self._clients[service]

    def invoke(self, name: str, event: Any = None, **arguments: Any) -> Reply:
        payload = json.dumps({} if event is None else event).encode()
        arguments = {"FunctionName": name, "Payload": payload, "LogType": "Tail", **arguments}
        answer = self.client("lambda").invoke(**arguments)
        return Reply(
            payload=json.loads(answer["Payload"].read() or b"null"),
            error=answer.get("FunctionError"),
            log=base64.b64decode(answer.get("LogResult", "")).decode(),
            version=answer.get("ExecutedVersion", ""),
        )

    def only_environment(self) -> EnvironmentInfo:
        """The one environment there is."""
        (environment,) = self.aws.environments()
        return environment

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


Start = Callable[..., Caller]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a service with some functions; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def run(*functions: FunctionConfig, **settings: Any) -> Caller:
            caller = Caller(stack.enter_context(running_aws(functions, work_dir=tmp_path, **settings)))
            stack.callback(caller.close)
            return caller

        yield run


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service for tests that leave no trace in it."""
    functions = [
        function("echo", memory_mb=256, environment={"COLOUR": "blue"}, aliases=("live", "blue")),
        function("sleep"),
        function("fail"),
        function("big", timeout_s=20, memory_mb=512),
        function("chatter"),
        function("append"),
    ]
    with running_aws(functions, work_dir=tmp_path_factory.mktemp("lambda")) as aws:
        caller = Caller(aws)
        yield caller
        caller.close()
