"""What a pooled connection looks like after its server closed it during a freeze, in both ways to freeze."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from poolbench.lab.aws import AwsUnavailable, Freeze, running_aws
from poolbench.lab.aws.freezer import NftablesUnavailable, library_path
from poolbench.lab.platform import IS_LINUX
from tests.lab.aws.conftest import FUNCTIONS, function

# In a process of its own: it moves to another network.
PROGRAM = """
import json, socket, sys, time
from pathlib import Path
from poolbench.lab.platform import enter_private_network
enter_private_network()
import boto3
from poolbench.lab.aws import Freeze, FunctionConfig, running_aws

functions, work_dir, freeze = Path(sys.argv[1]), Path(sys.argv[2]), Freeze(sys.argv[3])
listener = socket.create_server(("127.0.0.1", 0))
host, port = listener.getsockname()
config = FunctionConfig(
    name="holds", handler="holds.handler", code=functions, provisioned_concurrency=1, timeout_s=20
)
with running_aws([config], work_dir=work_dir, freeze=freeze) as aws:
    client = boto3.client("lambda", endpoint_url=aws.url, region_name="us-east-1",
                          aws_access_key_id="lab", aws_secret_access_key="lab")

    def invoke(**event):
        answer = client.invoke(FunctionName="holds:live", Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    def frozen():
        while any(e.state != "frozen" for e in aws.environments()):
            time.sleep(0.01)

    import threading
    accepted = []
    def accept():
        accepted.append(listener.accept()[0])
        accepted[0].recv(1)
        accepted[0].sendall(b"!")
    server = threading.Thread(target=accept)
    server.start()
    assert invoke(do="connect", host=host, port=port) is None
    server.join()
    frozen()
    accepted[0].close()
    time.sleep(0.5)
    print(json.dumps({"freeze": aws.freeze, "seen": invoke(do="use")}))
"""


def seen_after_a_close_in_the_freeze(tmp_path: Path, freeze: Freeze) -> dict[str, Any]:
    """Run the program; what the function saw."""
    arguments = [sys.executable, "-c", PROGRAM, str(FUNCTIONS), str(tmp_path), freeze]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=300)
    if "private network: " in ran.stderr:
        pytest.skip("this user may not make a private network: run as root")
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    assert told["freeze"] == freeze
    found: dict[str, Any] = told["seen"]
    return found


@pytest.fixture
def packet_filter() -> None:
    """Skip where there is none."""
    if not IS_LINUX or os.geteuid() != 0:
        pytest.skip("dropping packets takes Linux and root")
    try:
        library_path()
    except NftablesUnavailable as error:
        pytest.skip(str(error))


def test_with_packet_loss_the_connection_looks_healthy_and_is_dead(
    packet_filter: None, tmp_path: Path
) -> None:
    seen = seen_after_a_close_in_the_freeze(tmp_path, Freeze.DROP)
    assert seen == {"looks_dead": False, "established": True, "outcome": "ConnectionResetError"}


def test_with_signals_alone_the_kernel_has_seen_the_close(tmp_path: Path) -> None:
    seen = seen_after_a_close_in_the_freeze(tmp_path, Freeze.SIGNAL)
    assert seen == {"looks_dead": True, "established": False, "outcome": "EOF"}


def test_packets_are_not_dropped_outside_a_private_network(packet_filter: None, tmp_path: Path) -> None:
    refused = pytest.raises(AwsUnavailable, match="in a private network only")
    with refused, running_aws([function("echo")], work_dir=tmp_path, freeze=Freeze.DROP):
        pass
