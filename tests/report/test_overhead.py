import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.report.load import load
from poolbench.report.metrics.connections import open_connections
from poolbench.report.metrics.overhead import (
    Overhead,
    added_ms,
    by_commands,
    by_driver,
    connect_cost,
    levels,
    overheads,
    pareto_front,
    recommended,
)
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import Scenario, split
from poolbench.report.statistics import Estimate, Quantiles, rate
from tests.report.edit import edit_rows, small_campaign
from tests.report.frames import failed, request, scenario_of, warm


def flat(seconds: float) -> Quantiles:
    one = Estimate(seconds, seconds, seconds, 0 if math.isnan(seconds) else 60)
    return Quantiles(one, one, one, seconds)


def overhead(
    label: str,
    *,
    failed: int = 0,
    warm: float = 1e-3,
    after: float = 3e-3,
    wire: float = 2,
    open_: float = 1,
    connects: float = 0.1,
    within: int = 60,
) -> Overhead:
    return Overhead(
        label=label,
        failed=failed,
        requests=100,
        within_timeout=within,
        failed_after=rate(failed, 60),
        warm=flat(warm),
        after_timeout=flat(after),
        warm_commands=wire,
        after_commands=wire + 4,
        connects=connects,
        open=open_,
    )


def test_overheads_of_a_campaign_are_of_its_strategies_without_the_controls(scenario: Scenario) -> None:
    found = {one.label: one for one in overheads(scenario)}
    assert tuple(found) == scenario.strategies
    assert {label for label, one in found.items() if one.is_safe} == {
        "nullpool",
        "recycle",
        "pre_ping",
        "recycle_pre_ping",
    }
    assert found["queuepool"].failed_after.value == 1
    assert found["queuepool"].failed_after.n == 60
    assert found["nullpool"].connects == 1
    assert found["nullpool"].open < 0.2 < found["recycle"].open


def test_connections_of_two_scenarios_together_count_for_neither(tmp_path: Path) -> None:
    """A strategy has one label in both, and the sampler counts by label."""
    small_campaign(tmp_path)

    def in_two_settings(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["failure"] = "idle_reset" if row["gap_ratio"] == 0.5 else "idle_close"

    (alone,) = split(load([tmp_path]))
    assert all(one.open > 0 for one in overheads(alone))
    edit_rows(tmp_path, in_two_settings)
    for scenario in split(load([tmp_path])):
        assert all(math.isnan(one.open) for one in overheads(scenario))
        assert open_connections(scenario) is None


NOISE = 0.02


def chosen(*candidates: Overhead, noise: float = NOISE) -> list[str]:
    return [one.label for one in recommended(candidates, noise)]


def test_loser_is_never_recommended_however_fast() -> None:
    assert chosen(overhead("fast", failed=1, wire=1, warm=1e-6), overhead("safe", wire=9)) == ["safe"]


def test_nothing_is_recommended_where_everything_loses() -> None:
    assert chosen(overhead("a", failed=1), overhead("b", failed=60)) == []
    assert chosen() == []


def test_nothing_is_recommended_that_no_long_gap_has_tried() -> None:
    untried = replace(overhead("default"), failed_after=rate(0, 0))
    assert chosen(untried) == []
    assert chosen(untried, overhead("tried", wire=9)) == ["tried"]


def test_commands_decide_before_local_milliseconds() -> None:
    assert chosen(overhead("quick", wire=3, warm=1e-3), overhead("few", wire=2, warm=1.1e-3)) == ["few"]


def test_connections_opened_decide_between_equal_commands() -> None:
    often, seldom = overhead("often", warm=1e-3, connects=0.33), overhead("seldom", warm=1.1e-3, connects=0.1)
    assert chosen(often, seldom) == ["seldom"]


def test_milliseconds_decide_where_commands_were_not_counted() -> None:
    assert chosen(overhead("a", wire=math.nan, warm=2e-3), overhead("b", wire=math.nan, warm=1e-3)) == ["b"]


def test_noise_does_not_decide_between_equals() -> None:
    """Whichever was a hair faster this time, the same one is named, and the other with it."""
    assert chosen(overhead("plain", warm=1.01e-3), overhead("other", warm=1.00e-3)) == ["plain", "other"]
    assert chosen(overhead("plain", warm=1.00e-3), overhead("other", warm=1.01e-3)) == ["plain", "other"]
    assert chosen(overhead("plain", warm=1.03e-3), overhead("other", warm=1.00e-3)) == ["other"]


def test_connections_held_a_little_less_by_chance_beat_nobody() -> None:
    candidates = [overhead("recycle", open_=4.3), overhead("worse", warm=1.2e-3, open_=4.2)]
    assert pareto_front(candidates, NOISE) == ("recycle",)


def test_medians_whose_intervals_meet_do_not_decide() -> None:
    """With a dozen requests in a cell the next run would name another one."""

    def few(label: str, seconds: float, low: float, high: float) -> Overhead:
        median = Estimate(seconds, low, high, 12)
        return replace(overhead(label), warm=Quantiles(median, median, median, high))

    assert chosen(few("plain", 1.1e-3, 0.8e-3, 1.6e-3), few("other", 0.8e-3, 0.6e-3, 1.2e-3)) == [
        "plain",
        "other",
    ]
    assert chosen(few("plain", 1.1e-3, 1.0e-3, 1.2e-3), few("other", 0.8e-3, 0.7e-3, 0.9e-3)) == ["other"]
    unbounded = few("plain", 9e-3, -math.inf, math.inf), few("other", 1e-3, -math.inf, math.inf)
    assert chosen(*unbounded, noise=math.nan) == ["plain", "other"]
    assert pareto_front(unbounded, math.nan) == ("plain", "other")


def test_a_connection_more_or_less_by_chance_does_not_decide() -> None:
    five, six = (
        replace(overhead(label), requests=18, connects=opened / 18) for label, opened in (("a", 6), ("b", 5))
    )
    assert chosen(five, six) == ["a", "b"]


def test_where_no_connection_could_be_reused_closing_it_is_no_merit() -> None:
    keeps, closes = overhead("keeps", open_=4), overhead("closes", open_=0)
    assert chosen(keeps, closes) == ["closes"]
    assert chosen(replace(keeps, within_timeout=0), replace(closes, within_timeout=0)) == ["keeps", "closes"]


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    value = draw(st.floats(0, 1e3))
    below, above = draw(st.floats(0, 10) | st.just(math.inf)), draw(st.floats(0, 10) | st.just(math.inf))
    return Estimate(value, value - below, value + above, 12)


NO_ANSWER = Estimate(math.nan, -math.inf, math.inf, 0)


@given(st.lists(estimates() | st.just(NO_ANSWER), max_size=20), st.floats(0, 1))
def test_values_that_cannot_be_told_apart_are_never_on_two_levels(
    found: list[Estimate], tolerance: float
) -> None:
    level_of = levels(found, tolerance)
    assert all(math.isinf(level) for one, level in zip(found, level_of, strict=True) if one is NO_ANSWER)
    told = [(one, level) for one, level in zip(found, level_of, strict=True) if one is not NO_ANSWER]
    assert {level for _, level in told} <= {one.value for one, _ in told}
    for (one, level), (other, its) in itertools.product(told, repeat=2):
        assert level <= one.value
        if one.value <= other.value:
            assert level <= its
            cannot_be_told = other.low <= max(one.high, one.value * (1 + tolerance))
            assert level == its or not cannot_be_told


def test_a_level_ends_where_the_next_can_be_told_from_all_it_has() -> None:
    one, near, far = Estimate(10, 9, 11, 60), Estimate(12, 10.5, 13.5, 60), Estimate(15, 14, 16, 60)
    assert levels([far, one, near], 0) == [15, 10, 10]
    assert levels([far, one, near], 0.2) == [10, 10, 10]


def test_one_connection_more_does_not_put_equals_on_two_sides() -> None:
    """As when the first of three can be told from the third, but neither from the second."""
    opened = [
        replace(overhead(label, wire=wire), requests=600, connects=count / 600)
        for label, wire, count in (("recycle", 2, 140), ("pre_ping", 3, 99), ("both", 3, 137))
    ]
    assert pareto_front(opened, 0.02) == ("recycle",)


def test_front_drops_what_another_beats_and_keeps_what_trades() -> None:
    cheap = overhead("cheap", warm=1e-3, open_=4)
    frugal = overhead("frugal", warm=3e-3, open_=0)
    beaten = overhead("beaten", warm=2e-3, open_=4)
    assert pareto_front([cheap, frugal, beaten], 0.02) == ("cheap", "frugal")


def test_difference_within_the_noise_beats_nobody() -> None:
    assert pareto_front([overhead("a", warm=1.000e-3), overhead("b", warm=1.001e-3)], 0.1) == ("a", "b")


def test_never_answered_counts_as_slowest() -> None:
    assert pareto_front([overhead("dead", after=math.nan), overhead("alive", after=5e-3)], 0.02) == ("alive",)


@given(
    st.lists(
        st.builds(
            overhead,
            st.uuids().map(str),
            warm=st.floats(1e-5, 1),
            after=st.floats(1e-5, 1),
            open_=st.floats(0, 50),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([math.nan, 0.01, 0.2]),
)
def test_front_is_never_empty_and_holds_on_to_itself(candidates: list[Overhead], noise: float) -> None:
    labels = pareto_front(candidates, noise)
    assert labels
    assert recommended(candidates, noise)[0].label in labels
    assert pareto_front([one for one in candidates if one.label in labels], noise) == labels


@pytest.mark.parametrize("failed", [0, 3])
def test_safe_means_not_one(failed: int) -> None:
    assert overhead("x", failed=failed).is_safe is (failed == 0)


def test_every_number_of_an_overhead_is_that_of_its_requests() -> None:
    requests = [
        *(warm(ms=ms, wire_commands=2) for ms in (1, 2, 3, 4, 5)),
        warm(ms=6, wire_commands=8, connects=1),
        warm(ms=900, failed=True, outcome="error"),
        *(request(ms=ms, wire_commands=6, connects=1) for ms in (30, 50, 70)),
        failed(ms=800, wire_commands=1),
        request(ms=7, observed_idle=0.9),
        request(ms=8, observed_idle=1.0),
        request(ms=9, kind=RequestKind.PRIME, connects=1),
    ]
    samples = [(at, "proxy", "ClientConnections", "queuepool", value) for at, value in ((0, 1), (1, 4))]
    samples += [
        (0, "proxy", "ClientConnections", "lifo", 9),
        (0, "server", "ClientConnections", "queuepool", 9),
    ]
    (found,) = overheads(scenario_of(requests, samples))
    assert (found.failed, found.requests, found.is_safe) == (2, 14, False)
    assert found.within_timeout == 2
    assert (found.failed_after.value, found.failed_after.n) == (0.25, 4)
    # Wilson (1927) by hand, z = 1.96: (0.25 + 0.4802 -+ 0.6408) / 1.9604
    interval = (found.failed_after.low, found.failed_after.high)
    assert interval == pytest.approx((0.0456, 0.6994), abs=1e-4)
    assert (found.warm.median.value, found.warm.median.n, found.warm.maximum) == (0.003, 6, 0.006)
    assert (found.warm.p95.value, found.warm.p99.value) == (0.006, 0.006)
    assert (found.after_timeout.median.value, found.after_timeout.median.n) == (0.05, 3)
    assert found.after_timeout.maximum == 0.07
    assert found.warm_commands == pytest.approx((5 * 2 + 8 + 2) / 7)
    assert found.after_commands == pytest.approx((3 * 6 + 1) / 4)
    assert found.connects == pytest.approx(5 / 14)
    assert found.open == 2.5


def test_what_a_median_adds_is_against_a_warm_request_of_the_reference() -> None:
    reference, other = overhead("queuepool", warm=1e-3, after=9e-3), overhead("nullpool", warm=3.5e-3)
    assert added_ms(other.warm, reference) == pytest.approx(2.5)
    assert added_ms(other.after_timeout, reference) == pytest.approx(2)


def test_labels_share_a_number_of_commands_to_two_digits() -> None:
    commands = {"a": 2.001, "b": 6.0, "c": 2.004, "d": 2.006, "e": math.nan}
    assert list(by_commands(commands).items()) == [(6.0, ["b"]), (2.01, ["d"]), (2.0, ["a", "c"])]


def test_the_cost_of_connecting_is_time_and_commands_and_the_round_trip_that_reaches_a_target() -> None:
    null, default = overhead("nullpool", warm=4e-3, wire=6), overhead("queuepool", warm=1e-3, wire=2)
    cost = connect_cost(null, default, target_s=0.05)
    assert (cost.added_s, cost.commands) == pytest.approx((3e-3, 4))
    assert cost.needed_s == pytest.approx(0.047 / 5)  # four commands and the TCP handshake
    assert math.isnan(connect_cost(default, default, target_s=0.05).needed_s)


def test_overheads_by_driver_miss_what_was_not_measured() -> None:
    found = by_driver({"pymysql": [overhead("a"), overhead("b")], "asyncmy": [overhead("b"), overhead("c")]})
    assert [(one.label, list(one.overheads)) for one in found] == [
        ("a", ["pymysql"]),
        ("b", ["pymysql", "asyncmy"]),
        ("c", ["asyncmy"]),
    ]


def test_failures_are_compared_by_their_share_of_the_requests() -> None:
    few, many = replace(overhead("few", failed=1), requests=10), overhead("many", failed=2)
    assert pareto_front([few, many], NOISE) == ("many",)
