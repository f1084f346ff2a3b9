from pathlib import Path
from typing import Any

import pytest

from poolbench.report.load import load
from poolbench.report.metrics.failures import errors, shape
from poolbench.report.scenarios import Scenario, split
from tests.report.edit import edit_rows, small_campaign


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
