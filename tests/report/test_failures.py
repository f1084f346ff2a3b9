from pathlib import Path
from typing import Any

import pytest

from poolbench.report.load import load
from poolbench.report.metrics.failures import (
    FirstFailures,
    after_stale,
    errors,
    first_failures,
    hangs,
    pings_after,
    shape,
)
from poolbench.report.scenarios import Scenario, split
from tests.report.edit import edit_rows, small_campaign
from tests.report.frames import failed, request, scenario_of, warm


def test_the_failure_is_told_by_code_and_count(scenario: Scenario) -> None:
    (only,) = errors(scenario)
    assert (only.outcome, only.code, only.phase, only.invalidated) == ("error", 2013, "execute", True)
    assert only.message == "Lost connection to MySQL server during query"
    assert only.labels == {"queuepool": 60, "recycle_late": 60, "queuepool-twin": 60}
    assert only.count == 180


def test_errors_without_code_or_verdict_are_told_apart_and_none_is_dropped(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def fail_in_other_ways(rows: list[dict[str, Any]]) -> None:
        lost = [row for row in rows if row["outcome"] == "error"]
        lost[0].update(
            error_code=None, error_class="sqlalchemy.exc.TimeoutError", connection_invalidated=None
        )
        lost[1].update(
            outcome="hang",
            error_code=None,
            error_class="Sandbox.Timedout",
            error_message=None,
            error_phase=None,
            connection_invalidated=None,
        )
        lost[2].update(error_code=9501, connection_invalidated=False)

    edit_rows(tmp_path, fail_in_other_ways)
    (scenario,) = split(load([tmp_path]))
    found = errors(scenario)
    assert sum(error.count for error in found) == int(scenario.rows["failed"].sum())
    assert {(error.outcome, error.code, error.invalidated) for error in found} == {
        ("error", 2013, True),
        ("error", None, None),
        ("hang", None, None),
        ("error", 9501, False),
    }


def test_campaign_without_losses_has_no_errors(tmp_path: Path) -> None:
    (scenario,) = split(load([small_campaign(tmp_path, gaps=(0.5,))]))
    assert errors(scenario) == ()


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Lost connection to MySQL server during query", "Lost connection to MySQL server during query"),
        (
            "2055: Lost connection to MySQL server at '127.0.0.1:32989', system error: Errno 32: Broken pipe",
            "2055: Lost connection to MySQL server at '127.0.0.1:…', system error: Errno 32: Broken pipe",
        ),
        (
            (
                "Task <Task pending name='Task-44' coro=<greenlet_spawn() running at concurrency.py:209> "
                "cb=[_run_until_complete_cb() at base_events.py:180]> got Future <Future pending> attached "
                "to a different loop"
            ),
            "Task <Task> got Future <Future> attached to a different loop",
        ),
        ("<Connection object at 0x7f14b78049e0> is closed", "<Connection object at 0x…> is closed"),
    ],
)
def test_messages_of_one_kind_are_one_whatever_numbers_they_carry(message: str, told: str) -> None:
    assert shape(message) == told


def test_failures_after_long_gaps_are_counted_apart_from_early_ones() -> None:
    requests = [
        request(),
        failed(error_code=2013),
        failed(error_code=2006),
        failed(error_code=None, outcome="hang"),
        failed(observed_idle=0.5),
        *(request(observed_idle=0.5) for _ in range(2)),
        failed("lifo", observed_idle=0.5),
        warm(failed=True),
    ]
    found = first_failures(scenario_of(requests))
    assert list(found) == ["queuepool"]  # lifo sent none after the timeout
    assert found["queuepool"] == FirstFailures(3, 4, 1, 3, hung=True, codes=(2006, 2013))


def test_without_long_gaps_every_gap_counts() -> None:
    found = first_failures(scenario_of([failed(observed_idle=0.5), request(observed_idle=0.9)]))
    assert found["queuepool"] == FirstFailures(1, 2, 0, 0, hung=False, codes=(2013,))


def test_hangs_and_pings_are_of_first_requests_after_the_timeout() -> None:
    requests = [
        *(failed("pre_ping", outcome="hang", pings=1) for _ in range(3)),
        failed("pre_ping", pings=1),
        request("pre_ping", observed_idle=0.5, pings=1),
        failed("pre_ping", observed_idle=1.0, outcome="hang", pings=1),
        warm("pre_ping", pings=1),
        failed("queuepool", outcome="hang"),
    ]
    scenario = scenario_of(requests)
    share = hangs(scenario, "pre_ping")
    assert (share.value, share.n) == (0.75, 4)
    assert pings_after(scenario, "pre_ping") == (4, 4)


def test_requests_after_a_stale_generation_are_shares_by_their_ordinal() -> None:
    requests = [
        *(failed(request=0) for _ in range(3)),
        request(request=0, connects=1),
        *(request(request=1, connects=opened) for opened in (1, 1, 0, 2)),
        request(request=1, connects=1, gap_ratio=0.5),
        request(request=1, connects=1, role="prime"),
    ]
    found = after_stale(scenario_of(requests), "queuepool")
    assert found.index.tolist() == [0, 1]
    assert found["failed"].tolist() == [0.75, 0]
    assert found["opened"].tolist() == [0.25, 0.75]
    assert found["n"].tolist() == [4, 4]
