"""Asynchronous invocations are repeated as Lambda repeats them."""

import asyncio
import json
import threading
from pathlib import Path

from poolbench.lab.aws.environment import Host
from poolbench.lab.aws.fleet import FunctionFleet
from poolbench.lab.aws.freezer import Freezer
from poolbench.lab.aws.invoke_api import InvokeApi
from poolbench.lab.aws.watchdog import Watchdog
from poolbench.lab.http_server import HttpRequest
from tests.lab.aws.conftest import Start, function, poll

INVOKE = "/2015-03-31/functions/append/invocations"


def run_event(tmp_path: Path, then: str) -> list[str]:
    """Send one event to a service that repeats at once; the request ids that the function saw."""
    trace = tmp_path / "trace"
    trace.touch()

    async def run() -> None:
        watchdog = Watchdog()
        host = Host(
            endpoint_url="http://127.0.0.1:1",
            log_dir=tmp_path,
            freezer=Freezer(),
            watchdog=watchdog,
            init_slots=asyncio.Semaphore(1),
        )
        fleet = FunctionFleet(function("append"), host)
        api = InvokeApi({"append": fleet}, event_retries_s=(0.01, 0.02))
        body = json.dumps({"file": str(trace), "then": then}).encode()
        answer = await api.handle(HttpRequest("POST", INVOKE, (("X-Amz-Invocation-Type", "Event"),), body))
        assert answer.status == 202
        async with asyncio.timeout(60):
            while api.events:
                await asyncio.wait(api.events)
        fleet.close()
        watchdog.close()

    asyncio.run(run())
    return trace.read_text().split()


def test_an_event_whose_function_fails_is_tried_twice_more_under_its_id(tmp_path: Path) -> None:
    ids = run_event(tmp_path, "fail")
    assert len(ids) == 3
    assert len(set(ids)) == 1


def test_an_event_that_succeeds_is_not_repeated(tmp_path: Path) -> None:
    assert len(run_event(tmp_path, "return")) == 1


def test_an_event_that_is_throttled_waits_its_turn(start: Start, tmp_path: Path) -> None:
    caller = start(function("both", "handlers.append", reserved_concurrency=1, timeout_s=10))
    trace = tmp_path / "trace"
    busy = threading.Thread(target=caller.invoke, args=("both", {"file": str(tmp_path / "x"), "stay_s": 0.5}))
    busy.start()
    poll(lambda: any(e.state == "busy" for e in caller.aws.environments()))
    event = json.dumps({"file": str(trace)}).encode()
    caller.client("lambda").invoke(FunctionName="both", InvocationType="Event", Payload=event)
    assert not trace.exists()
    busy.join()
    poll(trace.exists)
    assert len(caller.aws.environments()) == 1
