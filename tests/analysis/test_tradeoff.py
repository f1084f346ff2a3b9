import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.settings import Setting
from bench.analysis.statistics import Estimate, Quantiles, rate
from bench.analysis.tradeoff import Price, front, levels, prices, recommended


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
) -> Price:
    return Price(
        label=label,
        lost=lost,
        requests=100,
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


NOISE = 0.02


def chosen(*candidates: Price, noise: float = NOISE) -> list[str]:
    return [one.label for one in recommended(candidates, noise)]


def test_loser_is_never_recommended_however_fast() -> None:
    assert chosen(price("fast", lost=1, wire=1, steady=1e-6), price("safe", wire=9)) == ["safe"]


def test_nothing_is_recommended_where_everything_loses() -> None:
    assert chosen(price("a", lost=1), price("b", lost=60)) == []
    assert chosen() == []


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


@given(st.lists(st.floats(0, 1e3) | st.just(math.nan), max_size=20), st.floats(0.001, 1))
def test_level_is_the_smallest_value_that_cannot_be_told_apart(values: list[float], tolerance: float) -> None:
    found = levels(values, tolerance)
    told = [(value, level) for value, level in zip(values, found, strict=True) if not math.isnan(value)]
    assert all(level in values and level <= value <= level * (1 + tolerance) for value, level in told)
    assert all(math.isinf(level) for value, level in zip(values, found, strict=True) if math.isnan(value))
    assert [level for _, level in sorted(told)] == sorted(level for _, level in told)


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
