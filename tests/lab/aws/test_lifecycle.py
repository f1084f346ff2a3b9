"""Environments start, freeze, time out, die and are replaced as Lambda's do."""

import concurrent.futures
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bench.lab.aws import AwsUnavailable, BadFunction, EnvironmentInfo, FunctionConfig, running_aws
from tests.lab.aws.conftest import FUNCTIONS, Caller, Start, function, poll, process_state


def only(caller: Caller) -> EnvironmentInfo:
    """The one environment there is."""
    (environment,) = caller.aws.environments()
    return environment


def test_a_provisioned_environment_is_initialised_and_frozen_before_its_first_event(start: Start) -> None:
    caller = start(function("echo", provisioned_concurrency=2))
    before = caller.aws.environments()
    assert [(e.provisioned, e.state, e.freezes, e.invocations) for e in before] == [
        (True, "frozen", 1, 0)
    ] * 2
    assert [process_state(e.pid or 0) for e in before] == ["T", "T"]
    reply = caller.invoke("echo:live")
    assert reply.payload["pid"] in [e.pid for e in before]
    assert reply.payload["variables"]["AWS_LAMBDA_INITIALIZATION_TYPE"] == "provisioned-concurrency"
    assert "Init Duration" not in reply.log


def test_a_cold_start_reports_its_init_once_and_bills_it(start: Start) -> None:
    caller = start(function("echo"))
    assert caller.aws.environments() == []
    first, second = caller.invoke("echo"), caller.invoke("echo")
    numbers = [float(n) for n in re.findall(r"(?:Billed |Init |\t)Duration: ([\d.]+) ms", first.log)]
    duration, billed, init = numbers
    assert billed == pytest.approx(duration + init, abs=1.01)
    assert "Init Duration" not in second.log
    assert second.payload["runtime"] == first.payload["runtime"]
    assert only(caller).init_s == pytest.approx(init / 1000, abs=1e-4)


def test_a_background_thread_stands_still_between_invocations(start: Start) -> None:
    caller = start(function("tick", timeout_s=10, provisioned_concurrency=1))
    awake = caller.invoke("tick:live", {"stay_s": 0.5}).payload
    before = caller.invoke("tick:live").payload
    poll(lambda: only(caller).state == "frozen")
    time.sleep(0.5)
    asleep = caller.invoke("tick:live").payload - before
    assert asleep * 5 < awake


def test_children_of_the_handler_freeze_and_thaw_with_it(start: Start, tmp_path: Path) -> None:
    caller = start(function("leave-child", provisioned_concurrency=1))
    counted = tmp_path / "count"
    child = caller.invoke("leave-child:live", {"file": str(counted)}).payload
    poll(lambda: process_state(child) == "T")
    size = counted.stat().st_size
    time.sleep(0.2)
    assert counted.stat().st_size == size
    caller.invoke("leave-child:live", {"file": str(tmp_path / "other"), "stay_s": 0.3})
    poll(lambda: counted.stat().st_size > size)
    poll(lambda: process_state(child) == "T")


def test_freezing_shows_on_the_endpoint_and_in_the_service(start: Start) -> None:
    caller = start(function("echo", provisioned_concurrency=1))
    assert caller.aws.freeze == "SIGSTOP"
    for _ in range(3):
        caller.invoke("echo:live")
    poll(lambda: only(caller).freezes == 4)  # after the init, and after each event
    assert only(caller).invocations == 3


def test_a_sequential_caller_never_meets_its_own_last_call(start: Start) -> None:
    """The answer is there before the runtime asks for the next event: that environment must be waited for."""
    caller = start(function("echo", provisioned_concurrency=1, reserved_concurrency=1))
    replies = [caller.invoke("echo:live").payload for _ in range(200)]
    assert [reply["call"] for reply in replies] == list(range(1, 201))
    assert len(caller.aws.environments()) == 1


def test_beyond_reserved_concurrency_is_429(start: Start) -> None:
    caller = start(function("sleep", provisioned_concurrency=1, reserved_concurrency=1, timeout_s=10))
    busy = threading.Thread(target=caller.invoke, args=("sleep:live", {"seconds": 1}))
    busy.start()
    poll(lambda: only(caller).state == "busy")
    with pytest.raises(ClientError, match="Rate Exceeded") as caught:
        caller.invoke("sleep:live", {"seconds": 0})
    busy.join()
    answer: Any = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert answer["Error"]["Code"] == "TooManyRequestsException"
    assert answer["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert isinstance(caller.invoke("sleep:live", {"seconds": 0}).payload, str)


def test_provisioned_concurrency_serves_its_version_alone(start: Start) -> None:
    """All that is reserved is provisioned for version 1: nothing is left for $LATEST."""
    caller = start(function("echo", provisioned_concurrency=1, reserved_concurrency=1))
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        caller.invoke("echo")


def test_no_reserved_concurrency_at_all_switches_the_function_off(start: Start) -> None:
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        start(function("echo", reserved_concurrency=0)).invoke("echo")


def test_calls_beyond_the_provisioned_spill_over(start: Start) -> None:
    caller = start(function("sleep", provisioned_concurrency=1, reserved_concurrency=2, timeout_s=10))
    busy = threading.Thread(target=caller.invoke, args=("sleep:live", {"seconds": 1}))
    busy.start()
    poll(lambda: only(caller).state == "busy")
    caller.invoke("sleep:live", {"seconds": 0})
    busy.join()
    assert sorted(e.provisioned for e in caller.aws.environments()) == [False, True]


def test_64_concurrent_calls_get_64_environments_and_their_own_answers(start: Start) -> None:
    caller = start(function("echo", timeout_s=30))
    caller.client("lambda")  # making clients is not safe in threads
    for _ in range(2):
        with concurrent.futures.ThreadPoolExecutor(64) as threads:
            replies = list(threads.map(lambda n: caller.invoke("echo", {"n": n}), range(64)))
        assert [reply.payload["event"]["n"] for reply in replies] == list(range(64))
    assert len(caller.aws.environments()) <= 64


def test_a_timeout_kills_the_runtime_and_the_next_call_initialises_again(start: Start) -> None:
    caller = start(function("sleep", timeout_s=0.3, provisioned_concurrency=1))
    before = only(caller)
    reply = caller.invoke("sleep:live", {"seconds": 30})
    assert reply.error == "Unhandled"
    request_id = reply.log.split()[2]
    assert reply.payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 0.30 seconds",
    }
    assert f"{request_id} Task timed out after 0.30 seconds\n" in reply.log
    assert "\tDuration: 300.00 ms\tBilled Duration: 300 ms" in reply.log
    assert reply.log.endswith("Status: timeout\t\n")
    assert process_state(before.pid or 0) is None
    reset = only(caller)
    assert (reset.id, reset.state, reset.pid) == (before.id, "reset", None)
    again = caller.invoke("sleep:live", {"seconds": 0})
    after = only(caller)
    assert again.error is None
    assert after.id == before.id
    assert after.pid not in (None, before.pid)
    assert "Init Duration" not in again.log  # it is part of the Duration


def test_a_timeout_takes_the_children_of_the_handler_along(start: Start, tmp_path: Path) -> None:
    caller = start(function("hang", "spawning.hang", timeout_s=0.5, provisioned_concurrency=1))
    note = tmp_path / "pid"
    assert caller.invoke("hang:live", {"file": str(note)}).payload["errorType"] == "Sandbox.Timedout"
    child = int(note.read_text())
    poll(lambda: process_state(child) is None)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (0, "Runtime exited without providing a reason"),
        (3, "Runtime exited with error: exit status 3"),
        (-signal.SIGKILL, "Runtime exited with error: signal: killed"),
        (-signal.SIGSEGV, "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_a_handler_that_exits_is_told_and_the_next_call_initialises_again(
    start: Start, status: int, reason: str
) -> None:
    caller = start(function("leave", provisioned_concurrency=1))
    before = caller.invoke("leave:live").payload
    reply = caller.invoke("leave:live", {"status": status})
    request_id = reply.log.split()[2]
    assert reply.error == "Unhandled"
    assert reply.payload == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {request_id} Error: {reason}",
    }
    assert "last words\n" in reply.log
    assert reply.log.endswith("Status: error\tError Type: Runtime.ExitError\t\n")
    assert caller.invoke("leave:live").payload not in (None, before)


@pytest.mark.parametrize("then", ["exit", "hang"])
def test_a_runtime_that_never_asks_again_is_reset_before_the_next_call(start: Start, then: str) -> None:
    caller = start(function("stop-asking", timeout_s=1, provisioned_concurrency=1, reserved_concurrency=1))
    first = caller.invoke("stop-asking:live", {"then": then})
    second = caller.invoke("stop-asking:live")
    assert (first.error, second.error) == (None, None)
    assert first.payload != second.payload


def test_a_frozen_runtime_that_is_killed_is_noticed(start: Start) -> None:
    caller = start(function("echo", provisioned_concurrency=1))
    os.kill(only(caller).pid or 0, signal.SIGKILL)
    poll(lambda: only(caller).state == "reset")
    assert caller.invoke("echo:live").payload["call"] == 1


def test_an_import_that_fails_is_the_answer_and_is_tried_again(start: Start, tmp_path: Path) -> None:
    caller = start(
        function("broken", "broken.handler"),
        function("missing", "no_such_module.handler"),
        function("nameless", "handlers.no_such_function"),
        function("flaky", "flaky.handler", environment={"FLAG": str(tmp_path / "flag")}),
    )
    reply = caller.invoke("broken")
    assert reply.error == "Unhandled"
    assert reply.payload["errorType"] == "RuntimeError"
    assert reply.payload["errorMessage"] == "no such table: moons"
    phases = re.findall(r"INIT_REPORT Init Duration: [\d.]+ ms\tPhase: (\w+)\tStatus: error", reply.log)
    assert phases[-1] == "invoke"
    assert caller.invoke("missing").payload["errorType"] == "Runtime.ImportModuleError"
    assert caller.invoke("nameless").payload["errorType"] == "Runtime.HandlerNotFound"
    assert caller.invoke("flaky").payload == "up"  # the second init, within the invocation
    assert caller.invoke("broken").payload["errorType"] == "RuntimeError"


def test_an_interpreter_that_goes_away_is_the_answer_and_frees_its_place(
    start: Start, tmp_path: Path
) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    caller = start(function("echo", python=interpreter, reserved_concurrency=1))
    interpreter.chmod(0o644)
    assert caller.invoke("echo").payload["errorType"] == "Runtime.InvalidEntrypoint"
    interpreter.chmod(0o755)
    assert caller.invoke("echo").payload["call"] == 1


def test_an_init_within_an_invocation_may_not_outlast_the_function(start: Start) -> None:
    caller = start(function("slow", "slow.handler", timeout_s=0.5, environment={"IMPORT_S": "1"}))
    assert caller.invoke("slow").payload == "up"  # the init phase has ten seconds of its own
    os.kill(only(caller).pid or 0, signal.SIGKILL)
    poll(lambda: only(caller).state == "reset")
    reply = caller.invoke("slow")
    assert reply.payload["errorType"] == "Sandbox.Timedout"
    assert "Phase: invoke\tStatus: timeout" in reply.log


def test_a_replaced_environment_has_another_id_and_its_past_is_gone(start: Start) -> None:
    caller = start(function("echo", provisioned_concurrency=1, reserved_concurrency=1))
    before = caller.invoke("echo:live").payload
    old = only(caller)
    successor = caller.aws.replace(old.id)
    new = only(caller)
    assert new.id == successor != old.id
    assert (new.provisioned, new.state) == (True, "frozen")
    assert process_state(old.pid or 0) is None
    after = caller.invoke("echo:live").payload
    assert (after["call"], after["runtime"] != before["runtime"]) == (1, True)


def test_replacing_waits_for_the_invocation_and_throttles_nobody(start: Start) -> None:
    caller = start(function("sleep", provisioned_concurrency=1, reserved_concurrency=1, timeout_s=10))
    old = only(caller)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        running = threads.submit(caller.invoke, "sleep:live", {"seconds": 0.5})
        poll(lambda: only(caller).state == "busy")
        replacing = threads.submit(caller.aws.replace, old.id)
        assert running.result().error is None
        assert caller.invoke("sleep:live", {"seconds": 0}).error is None
        assert replacing.result() == only(caller).id != old.id


def test_two_who_replace_the_same_environment_get_one_successor(start: Start) -> None:
    caller = start(function("echo", provisioned_concurrency=1, reserved_concurrency=1))
    old = only(caller).id
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        successors = set(threads.map(caller.aws.replace, [old, old]))
    assert successors == {None, only(caller).id}


def test_an_environment_on_demand_is_replaced_by_none(start: Start) -> None:
    caller = start(function("echo"))
    caller.invoke("echo")
    assert caller.aws.replace(only(caller).id) is None
    assert caller.aws.environments() == []
    with pytest.raises(AwsUnavailable, match="no environment gone"):
        caller.aws.replace("gone")


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


def test_a_handler_is_found_where_its_package_is_installed(start: Start) -> None:
    caller = start(FunctionConfig(name="own", handler="tests.lab.aws.functions.handlers.echo"))
    reply = caller.invoke("own").payload
    assert Path(reply["cwd"]) == FUNCTIONS.parents[3]
