"""Starting the service: what it needs, what it refuses, what it keeps to itself."""

import os
from pathlib import Path

import pytest

from poolbench.lab.aws import AwsUnavailable, BadFunction, FunctionConfig, running_aws
from tests.lab.aws.conftest import FUNCTIONS, Start, function


def test_a_provisioned_function_that_cannot_start_says_why(start: Start) -> None:
    with pytest.raises(AwsUnavailable, match=r"function broken: .*RuntimeError: no such table: moons"):
        start(function("broken", "broken.handler", provisioned_concurrency=1))


def test_a_taken_port_is_named(start: Start, tmp_path: Path) -> None:
    caller = start(function("echo"))
    port = int(caller.aws.url.rpartition(":")[2])
    other = tmp_path / "other"
    other.mkdir()
    taken = pytest.raises(AwsUnavailable, match=f"port {port}: Address already in use")
    with taken, running_aws([function("echo")], work_dir=other, port=port):
        pass


def test_an_interpreter_without_the_runtime_client_is_refused(tmp_path: Path) -> None:
    shadow = tmp_path / "python"
    shadow.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'awslambdaric'\" >&2\nexit 1\n")
    shadow.chmod(0o755)
    refused = pytest.raises(BadFunction, match="No module named 'awslambdaric': install awslambdaric there")
    with refused, running_aws([function("echo", python=shadow)], work_dir=tmp_path):
        pass


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(BadFunction, match="function echo is defined twice")
    with refused, running_aws([function("echo"), function("echo")], work_dir=tmp_path):
        pass


def test_secrets_are_on_no_command_line_and_in_no_file(start: Start, tmp_path: Path) -> None:
    secret = "correct-horse-battery"
    caller = start(function("echo", environment={"SECRET": secret}, provisioned_concurrency=1))
    assert caller.invoke("echo:live").payload["variables"]["SECRET"] == secret
    pids = [caller.aws.pid, *(e.pid for e in caller.aws.environments())]
    assert not any(secret.encode() in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(secret.encode() in path.read_bytes() for path in files)
    assert secret not in repr(FunctionConfig(name="a", handler="b.c", environment={"SECRET": secret}))


def test_a_proxy_in_the_environment_is_not_asked(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    caller = start(function("echo", provisioned_concurrency=1))
    assert caller.only_environment().state == "frozen"


def test_a_handler_is_found_where_its_package_is_installed(start: Start) -> None:
    caller = start(FunctionConfig(name="own", handler="tests.lab.aws.functions.handlers.echo"))
    reply = caller.invoke("own").payload
    assert Path(reply["cwd"]) == FUNCTIONS.parents[3]


def test_inits_do_not_crowd_the_machine(start: Start, tmp_path: Path) -> None:
    """Started all at once, dozens of inits would each take longer than Lambda allows one."""
    trace = tmp_path / "trace"
    start(
        function("overlap", "overlap.handler", environment={"TRACE": str(trace)}, provisioned_concurrency=8)
    )
    running = most = 0
    for line in trace.read_text().split():
        running += 1 if line == "begin" else -1
        most = max(most, running)
    assert running == 0
    assert most <= (os.cpu_count() or 1)
