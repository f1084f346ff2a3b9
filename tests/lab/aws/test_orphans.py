"""Whoever dies, and however: no process stays behind, stopped ones included."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from poolbench.lab.process import descendants
from tests.lab.aws.conftest import FUNCTIONS, poll, process_state

# A program that uses the lab, and says which processes there are when all of them are frozen.
PROGRAM = """
import json, sys, time
from pathlib import Path
import boto3
from poolbench.lab.aws import FunctionConfig, running_aws

functions, work_dir = Path(sys.argv[1]), Path(sys.argv[2])
configs = [
    FunctionConfig(name="echo", handler="handlers.echo", code=functions, provisioned_concurrency=2),
    FunctionConfig(name="child", handler="handlers.leave_child", code=functions, provisioned_concurrency=1),
]
with running_aws(configs, work_dir=work_dir) as aws:
    client = boto3.client("lambda", endpoint_url=aws.url, region_name="us-east-1",
                          aws_access_key_id="lab", aws_secret_access_key="lab")
    event = json.dumps({"file": str(work_dir / "count")})
    child = int(client.invoke(FunctionName="child:live", Payload=event)["Payload"].read())
    while any(e.state != "frozen" for e in aws.environments()):
        time.sleep(0.01)
    frozen = [child, *(e.pid for e in aws.environments())]
    print(json.dumps({"service": aws.pid, "frozen": frozen}), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """Run it until all environments are frozen."""
    arguments = [sys.executable, "-c", PROGRAM, str(FUNCTIONS), str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield process, told
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("victim", ["program", "service"])
def test_nothing_is_left(
    program: tuple[subprocess.Popen[bytes], dict[str, Any]], victim: str, number: signal.Signals
) -> None:
    process, told = program
    everything = descendants(process.pid).keys() - {process.pid}
    assert {told["service"], *told["frozen"]} <= everything
    poll(lambda: all(process_state(pid) == "T" for pid in told["frozen"]))
    os.kill(process.pid if victim == "program" else told["service"], number)
    poll(lambda: not any(process_state(pid) for pid in everything))
