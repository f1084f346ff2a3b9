"""Environments initialise, time out, die and come back as Lambda's do."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.lab.aws.conftest import Start, function, poll, process_state


def test_a_cold_start_reports_its_init_once_and_bills_it(start: Start) -> None:
    caller = start(function("echo"))
    assert caller.aws.environments() == []
    first, second = caller.invoke("echo"), caller.invoke("echo")
    numbers = [float(n) for n in re.findall(r"(?:Billed |Init |\t)Duration: ([\d.]+) ms", first.log)]
    duration, billed, init = numbers
    assert billed == pytest.approx(duration + init, abs=1.01)
    assert "Init Duration" not in second.log
    assert second.payload["runtime"] == first.payload["runtime"]
    assert caller.only_environment().init_s == pytest.approx(init / 1000, abs=1e-4)


def test_a_timeout_kills_the_runtime_and_the_next_call_initialises_again(start: Start) -> None:
    # In it there must be time for the init of the next call.
    caller = start(function("sleep", timeout_s=2.5, provisioned_concurrency=1))
    before = caller.only_environment()
    reply = caller.invoke("sleep:live", {"seconds": 30})
    assert reply.error == "Unhandled"
    request_id = reply.log.split()[2]
    assert reply.payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 2.50 seconds",
    }
    assert f"{request_id} Task timed out after 2.50 seconds\n" in reply.log
    assert "\tDuration: 2500.00 ms\tBilled Duration: 2500 ms" in reply.log
    assert reply.log.endswith("Status: timeout\t\n")
    assert process_state(before.pid or 0) is None
    reset = caller.only_environment()
    assert (reset.id, reset.state, reset.pid) == (before.id, "reset", None)
    again = caller.invoke("sleep:live", {"seconds": 0})
    after = caller.only_environment()
    assert again.error is None
    assert after.id == before.id
    assert after.pid not in (None, before.pid)
    assert "Init Duration" not in again.log  # it is part of the Duration


def test_a_timeout_takes_the_children_of_the_handler_along(start: Start, tmp_path: Path) -> None:
    caller = start(function("hang", "spawning.hang", timeout_s=2, provisioned_concurrency=1))
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
    caller = start(function("stop-asking", timeout_s=2.5, provisioned_concurrency=1, reserved_concurrency=1))
    first = caller.invoke("stop-asking:live", {"then": then})
    second = caller.invoke("stop-asking:live")
    assert (first.error, second.error) == (None, None)
    assert first.payload != second.payload


def test_a_frozen_runtime_that_is_killed_is_noticed(start: Start) -> None:
    caller = start(function("echo", provisioned_concurrency=1))
    os.kill(caller.only_environment().pid or 0, signal.SIGKILL)
    poll(lambda: caller.only_environment().state == "reset")
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
    caller = start(function("slow", "slow.handler", timeout_s=0.9, environment={"IMPORT_S": "1"}))
    assert caller.invoke("slow").payload == "up"  # the init phase has ten seconds of its own
    os.kill(caller.only_environment().pid or 0, signal.SIGKILL)
    poll(lambda: caller.only_environment().state == "reset")
    reply = caller.invoke("slow")
    assert reply.payload["errorType"] == "Sandbox.Timedout"
    assert "Phase: invoke\tStatus: timeout" in reply.log
