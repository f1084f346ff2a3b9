import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.report.figures.connections import connections
from poolbench.report.load import load
from poolbench.report.settings import Setting, split
from poolbench.report.statistics import Estimate, Quantiles, rate
from poolbench.report.tradeoff import Price, front, levels, prices, recommended
from tests.report.edit import edit_rows, small_campaign


def flat(seconds: float) -> Quantiles:
    one = Estimate(seconds, seconds, seconds, 0 if math.isnan(seconds) else 60)
    return Quantiles(one, one, one, seconds)


def price(
    label: str,
    *,
    lost: int = 0,
    steady: float = 1e-3,
    beyond: float = 3e-3,
    wire: float = 2,
    held: float = 1,
    connects: float = 0.1,
    within: int = 60,
) -> Price:
    return Price(
        label=label,
        lost=lost,
        requests=100,
        within=within,
        lost_beyond=rate(lost, 60),
        steady=flat(steady),
        beyond=flat(beyond),
        wire_steady=wire,
        wire_beyond=wire + 4,
        connects=connects,
        held=held,
    )


def test_prices_of_a_campaign_are_its_strategies_without_twin_and_control(setting: Setting) -> None:
    found = {one.label: one for one in prices(setting)}
    assert tuple(found) == setting.strategies
    assert {label for label, one in found.items() if one.is_safe} == {
        "nullpool",
        "recycle",
        "pre_ping",
        "recycle_pre_ping",
    }
    assert found["queuepool"].lost_beyond.value == 1
    assert found["queuepool"].lost_beyond.n == 60
    assert found["nullpool"].connects == 1
    assert found["nullpool"].held < 0.2 < found["recycle"].held


def test_connections_of_two_settings_together_are_held_by_neither(tmp_path: Path) -> None:
    """A strategy has one label in both, and the sampler counts by label."""
    small_campaign(tmp_path)

    def in_two_settings(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["failure"] = "idle_reset" if row["gap_ratio"] == 0.5 else "idle_close"

    (alone,) = split(load([tmp_path]))
    assert all(one.held > 0 for one in prices(alone))
    edit_rows(tmp_path, in_two_settings)
    for setting in split(load([tmp_path])):
        assert all(math.isnan(one.held) for one in prices(setting))
        assert connections(setting) is None


NOISE = 0.02


def chosen(*candidates: Price, noise: float = NOISE) -> list[str]:
    return [one.label for one in recommended(candidates, noise)]


def test_loser_is_never_recommended_however_fast() -> None:
    assert chosen(price("fast", lost=1, wire=1, steady=1e-6), price("safe", wire=9)) == ["safe"]


def test_nothing_is_recommended_where_everything_loses() -> None:
    assert chosen(price("a", lost=1), price("b", lost=60)) == []
    assert chosen() == []


def test_nothing_is_recommended_that_no_long_gap_has_tried() -> None:
    untried = replace(price("default"), lost_beyond=rate(0, 0))
    assert chosen(untried) == []
    assert chosen(untried, price("tried", wire=9)) == ["tried"]


def test_commands_decide_before_local_milliseconds() -> None:
    assert chosen(price("quick", wire=3, steady=1e-3), price("few", wire=2, steady=1.1e-3)) == ["few"]


def test_connections_opened_decide_between_equal_commands() -> None:
    often, seldom = price("often", steady=1e-3, connects=0.33), price("seldom", steady=1.1e-3, connects=0.1)
    assert chosen(often, seldom) == ["seldom"]


def test_milliseconds_decide_where_commands_were_not_counted() -> None:
    assert chosen(price("a", wire=math.nan, steady=2e-3), price("b", wire=math.nan, steady=1e-3)) == ["b"]


def test_noise_does_not_decide_between_equals() -> None:
    """Whichever was a hair faster this time, the same one is named, and the other with it."""
    assert chosen(price("plain", steady=1.01e-3), price("other", steady=1.00e-3)) == ["plain", "other"]
    assert chosen(price("plain", steady=1.00e-3), price("other", steady=1.01e-3)) == ["plain", "other"]
    assert chosen(price("plain", steady=1.03e-3), price("other", steady=1.00e-3)) == ["other"]


def test_connections_held_a_little_less_by_chance_beat_nobody() -> None:
    candidates = [price("recycle", held=4.3), price("worse", steady=1.2e-3, held=4.2)]
    assert front(candidates, NOISE) == ("recycle",)


def test_medians_whose_intervals_meet_do_not_decide() -> None:
    """With a dozen requests in a cell the next run would name another one."""

    def few(label: str, seconds: float, low: float, high: float) -> Price:
        median = Estimate(seconds, low, high, 12)
        return replace(price(label), steady=Quantiles(median, median, median, high))

    assert chosen(few("plain", 1.1e-3, 0.8e-3, 1.6e-3), few("other", 0.8e-3, 0.6e-3, 1.2e-3)) == [
        "plain",
        "other",
    ]
    assert chosen(few("plain", 1.1e-3, 1.0e-3, 1.2e-3), few("other", 0.8e-3, 0.7e-3, 0.9e-3)) == ["other"]
    unbounded = few("plain", 9e-3, -math.inf, math.inf), few("other", 1e-3, -math.inf, math.inf)
    assert chosen(*unbounded, noise=math.nan) == ["plain", "other"]
    assert front(unbounded, math.nan) == ("plain", "other")


def test_a_connection_more_or_less_by_chance_does_not_decide() -> None:
    five, six = (
        replace(price(label), requests=18, connects=opened / 18) for label, opened in (("a", 6), ("b", 5))
    )
    assert chosen(five, six) == ["a", "b"]


def test_where_no_connection_could_be_reused_closing_it_is_no_merit() -> None:
    keeps, closes = price("keeps", held=4), price("closes", held=0)
    assert chosen(keeps, closes) == ["closes"]
    assert chosen(replace(keeps, within=0), replace(closes, within=0)) == ["keeps", "closes"]


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
        replace(price(label, wire=wire), requests=600, connects=count / 600)
        for label, wire, count in (("recycle", 2, 140), ("pre_ping", 3, 99), ("both", 3, 137))
    ]
    assert front(opened, 0.02) == ("recycle",)


def test_front_drops_what_another_beats_and_keeps_what_trades() -> None:
    cheap = price("cheap", steady=1e-3, held=4)
    frugal = price("frugal", steady=3e-3, held=0)
    beaten = price("beaten", steady=2e-3, held=4)
    assert front([cheap, frugal, beaten], 0.02) == ("cheap", "frugal")


def test_difference_within_the_noise_beats_nobody() -> None:
    assert front([price("a", steady=1.000e-3), price("b", steady=1.001e-3)], 0.1) == ("a", "b")


def test_never_answered_counts_as_slowest() -> None:
    assert front([price("dead", beyond=math.nan), price("alive", beyond=5e-3)], 0.02) == ("alive",)


@given(
    st.lists(
        st.builds(
            price,
            st.uuids().map(str),
            steady=st.floats(1e-5, 1),
            beyond=st.floats(1e-5, 1),
            held=st.floats(0, 50),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([math.nan, 0.01, 0.2]),
)
def test_front_is_never_empty_and_holds_on_to_itself(candidates: list[Price], noise: float) -> None:
    labels = front(candidates, noise)
    assert labels
    assert recommended(candidates, noise)[0].label in labels
    assert front([one for one in candidates if one.label in labels], noise) == labels


@pytest.mark.parametrize("lost", [0, 3])
def test_safe_means_not_one(lost: int) -> None:
    assert price("x", lost=lost).is_safe is (lost == 0)
