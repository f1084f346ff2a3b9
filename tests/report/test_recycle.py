import math
from typing import Any

import pytest

from poolbench.report.metrics.recycle import offered, recycle_checks, recycle_of
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import Scenario
from tests.report.frames import request, scenario_of


@pytest.mark.parametrize(
    ("label", "recycle"),
    [("recycle", 0.7), ("recycle_late", 3), ("queuepool", None), ("recycle_pre_ping", None), ("mine", None)],
)
def test_rule_applies_to_strategies_that_only_recycle(label: str, recycle: float | None) -> None:
    assert recycle_of(label) == recycle


@pytest.mark.parametrize("label", ["recycle", "recycle_late"])
def test_rule_predicts_every_request(scenario: Scenario, label: str) -> None:
    found = offered(scenario, label)
    assert len(found) == 150
    sure = found[~found["close"]]
    assert len(sure) > 140
    assert (sure["failed"] == sure["predicted"]).all()


def test_both_answers_occur(scenario: Scenario) -> None:
    assert set(offered(scenario, "recycle_late")["predicted"]) == {True, False}
    assert set(offered(scenario, "recycle")["predicted"]) == {False}


def test_age_starts_anew_with_each_connection(scenario: Scenario) -> None:
    found = offered(scenario, "recycle_late")
    assert (found["age"] >= 0).all()
    assert found["age"].max() < 3  # older ones were recycled


def test_recycled_requests_are_those_older_than_the_number(scenario: Scenario) -> None:
    for label, recycle in (("recycle", 0.7), ("recycle_late", 3.0)):
        found = offered(scenario, label)
        sure = found[~found["close"]]
        assert ((sure["recycles"] > 0) == (sure["age"] + sure["gap"] > recycle)).all()


S = 10**9


def at(kind: RequestKind, started_s: float, idle: float, **facts: Any) -> dict[str, Any]:
    """A request of 0.1 s, by a wall clock."""
    moments = {"started_wall_ns": round(started_s * S), "done_wall_ns": round((started_s + 0.1) * S)}
    return request("recycle_late", kind=kind, observed_idle=idle, **moments, **facts)


def test_age_and_prediction_of_offered_connections_are_those_of_the_rule() -> None:
    """The timeout is 2 s, and recycle_late recycles at three times that."""
    first = RequestKind.FIRST_AFTER_GAP
    requests = [
        at(RequestKind.FIRST_OF_ENGINE, 0.0, math.nan, connects=1),
        at(first, 1.1, 0.5),  # age at last use 0.1 s: within the timeout
        at(first, 4.2, 1.5, failed=True),  # 1.2 s: past the timeout and too young to be recycled
        at(first, 8.0, 1.85, connects=1),  # was offered none, for the failed one left none behind
        at(first, 9.1, 0.5),
        at(first, 14.4, 2.6, connects=1, recycles=1),  # 1.2 s + 5.2 s is more than 6 s
    ]
    found = offered(scenario_of(requests), "recycle_late")
    assert found["age"].tolist() == pytest.approx([0.05, 0.6, 0.05, 0.6])
    assert found["gap"].tolist() == [0.5, 1.5, 0.5, 2.6]
    assert found["predicted"].tolist() == [False, True, False, False]
    assert not found["close"].any()
    check = recycle_checks(scenario_of(requests))["recycle_late"]
    assert (check.recycle, check.as_predicted, check.sure) == (3, 4, 4)


@pytest.mark.parametrize(("idle", "close"), [(0.97, False), (0.99, True), (1.01, True), (1.03, False)])
def test_an_outcome_next_to_the_timeout_is_not_sure(idle: float, close: bool) -> None:
    requests = [
        at(RequestKind.FIRST_OF_ENGINE, 0.0, math.nan, connects=1),
        at(RequestKind.FIRST_AFTER_GAP, 2.1, idle, failed=True),
    ]
    check = recycle_checks(scenario_of(requests))["recycle_late"]
    assert check.sure == (not close)
    assert check.as_predicted == (not close and idle > 1)
