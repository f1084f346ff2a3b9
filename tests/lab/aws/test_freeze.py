"""Between invocations nothing of an environment runs."""

import time
from pathlib import Path

from tests.lab.aws.conftest import Start, function, poll, process_state, thread_states


def test_a_provisioned_environment_is_initialised_and_frozen_before_its_first_event(start: Start) -> None:
    caller = start(function("echo", provisioned_concurrency=2))
    before = caller.aws.environments()
    assert [(e.provisioned, e.state, e.freezes, e.invocations) for e in before] == [
        (True, "frozen", 1, 0)
    ] * 2
    poll(lambda: [process_state(e.pid or 0) for e in before] == ["T", "T"])
    reply = caller.invoke("echo:live")
    assert reply.payload["pid"] in [e.pid for e in before]
    assert reply.payload["variables"]["AWS_LAMBDA_INITIALIZATION_TYPE"] == "provisioned-concurrency"
    assert "Init Duration" not in reply.log


def test_a_background_thread_stands_still_between_invocations(start: Start) -> None:
    caller = start(function("tick", timeout_s=20, provisioned_concurrency=1))
    assert len(caller.invoke("tick:live", {"stay_s": 0.5}).payload) > 1
    pid = caller.only_environment().pid or 0
    poll(lambda: thread_states(pid) == {"T"})
    frozen = time.monotonic()
    time.sleep(0.5)
    thawed = time.monotonic()
    ticks = caller.invoke("tick:live", {"stay_s": 0.5}).payload
    assert [tick for tick in ticks if frozen < tick < thawed] == []
    assert ticks[-1] > thawed


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
    poll(lambda: caller.only_environment().freezes == 4)  # after the init, and after each event
    assert caller.only_environment().invocations == 3
