"""Reserved and provisioned concurrency, spillover and replacement, with real environments."""

import concurrent.futures
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from poolbench.lab.aws import AwsUnavailable
from tests.lab.aws.conftest import Start, function, poll, process_state


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
    poll(lambda: caller.only_environment().state == "busy")
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
    poll(lambda: caller.only_environment().state == "busy")
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


def test_a_replaced_environment_has_another_id_and_its_past_is_gone(start: Start) -> None:
    caller = start(function("echo", provisioned_concurrency=1, reserved_concurrency=1))
    before = caller.invoke("echo:live").payload
    old = caller.only_environment()
    successor = caller.aws.replace(old.id)
    new = caller.only_environment()
    assert new.id == successor != old.id
    assert (new.provisioned, new.state) == (True, "frozen")
    assert process_state(old.pid or 0) is None
    after = caller.invoke("echo:live").payload
    assert (after["call"], after["runtime"] != before["runtime"]) == (1, True)


def test_replacing_waits_for_the_invocation_and_throttles_nobody(start: Start) -> None:
    caller = start(function("sleep", provisioned_concurrency=1, reserved_concurrency=1, timeout_s=10))
    old = caller.only_environment()
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        running = threads.submit(caller.invoke, "sleep:live", {"seconds": 0.5})
        poll(lambda: caller.only_environment().state == "busy")
        replacing = threads.submit(caller.aws.replace, old.id)
        assert running.result().error is None
        assert caller.invoke("sleep:live", {"seconds": 0}).error is None
        assert replacing.result() == caller.only_environment().id != old.id


def test_who_replaces_an_environment_that_drains_takes_no_callers_place(start: Start, tmp_path: Path) -> None:
    """The caller has its answer and calls again at once: it waits beside a replacement that waits, too."""
    one = {"provisioned_concurrency": 1, "reserved_concurrency": 1}
    caller = start(function("drain", "handlers.stop_asking", timeout_s=60, **one))
    go_on = tmp_path / "go_on"
    old = caller.invoke("drain:live", {"then": "wait", "file": str(go_on)}).payload
    (environment,) = caller.aws.environments()
    assert environment.state == "draining"
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        replacing = threads.submit(caller.aws.replace, environment.id)
        poll(lambda: [each.init_s for each in caller.aws.environments()[1:]] not in ([], [None]))
        calling = threads.submit(caller.invoke, "drain:live", {})
        time.sleep(0.5)  # for the call to arrive
        go_on.touch()
        assert calling.result().payload != old
        assert replacing.result() == caller.only_environment().id


def test_two_who_replace_the_same_environment_get_one_successor(start: Start) -> None:
    caller = start(function("echo", provisioned_concurrency=1, reserved_concurrency=1))
    old = caller.only_environment().id
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        successors = set(threads.map(caller.aws.replace, [old, old]))
    assert successors == {None, caller.only_environment().id}


def test_on_demand_environments_that_nobody_calls_end_and_provisioned_ones_stay(start: Start) -> None:
    caller = start(function("echo"), function("append", provisioned_concurrency=1), keep_idle_s=0.5)
    assert caller.invoke("echo").payload["call"] == 1
    pid = next(each.pid for each in caller.aws.environments() if each.function == "echo")
    poll(lambda: [each.provisioned for each in caller.aws.environments()] == [True])
    assert process_state(pid or 0) is None
    assert caller.invoke("echo").payload["call"] == 1


def test_an_environment_on_demand_is_replaced_by_none(start: Start) -> None:
    caller = start(function("echo"))
    caller.invoke("echo")
    assert caller.aws.replace(caller.only_environment().id) is None
    assert caller.aws.environments() == []
    with pytest.raises(AwsUnavailable, match="no environment gone"):
        caller.aws.replace("gone")
