import pytest

from poolbench.report.metrics.recycle import offered, recycle_of
from poolbench.report.scenarios import Scenario


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
