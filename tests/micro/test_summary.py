"""Figures from rounds."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micro.summary import NoData, as_text, lines

times = st.lists(st.floats(1e-7, 1e-1), min_size=1, max_size=80)


def benchmark(data: list[float], reference: list[float] | None, per_connection: int = 1) -> dict[str, Any]:
    info: dict[str, Any] = {"rounds_per_connection": per_connection, "wire_commands": 2}
    return {
        "group": "a question",
        "name": "test_something[an answer]",
        "fullname": "bench/micro/test_x.py::test_something[an answer]",
        "param": "an answer",
        "extra_info": info | ({"reference_s": reference} if reference else {}),
        "stats": {"data": data},
    }


@given(data=times, factor=st.floats(0.01, 100), per_connection=st.integers(1, 10))
def test_what_always_takes_so_many_times_as_long_has_that_ratio(
    data: list[float], factor: float, per_connection: int
) -> None:
    (line,) = lines([benchmark([factor * value for value in data], data, per_connection)])
    assert line.ratio is not None
    assert line.ratio.value == pytest.approx(factor, rel=1e-6)
    assert line.ratio.n == -(-len(data) // per_connection)
    if line.ratio.n >= 20:
        assert line.ratio.low == pytest.approx(factor, rel=1e-6)
        assert line.ratio.high == pytest.approx(factor, rel=1e-6)


@given(pairs=st.lists(st.tuples(st.floats(1e-7, 1e-1), st.floats(1e-7, 1e-1)), min_size=1, max_size=60))
def test_the_ratio_of_the_reference_to_the_case_is_the_inverse(pairs: list[tuple[float, float]]) -> None:
    data, reference = ([float(value) for value in part] for part in zip(*pairs, strict=True))
    (there,), (back,) = lines([benchmark(data, reference, 3)]), lines([benchmark(reference, data, 3)])
    assert there.ratio is not None
    assert back.ratio is not None
    assert there.ratio.value * back.ratio.value == pytest.approx(1, rel=1e-6)


@given(data=times)
def test_quantiles_lie_within_the_rounds_and_in_their_order(data: list[float]) -> None:
    (line,) = lines([benchmark(data, None)])
    seconds = line.seconds
    assert min(data) <= seconds.median.value <= seconds.p95.value <= seconds.p99.value <= seconds.maximum
    for estimate in (seconds.median, seconds.p95, seconds.p99):
        assert estimate.low <= estimate.value <= estimate.high
    assert line.ratio is None


def test_connections_that_differ_widen_the_interval_of_the_ratio() -> None:
    """Twice the same, on connections of which some are much faster than others."""
    rng = np.random.default_rng(7)
    per_connection, connections, trials = 20, 20, 40
    covered = {per_connection: 0, 1: 0}  # by connections; by rounds, as if each were independent
    for _ in range(trials):
        speeds = rng.lognormal(-10, 0.5, (2, connections))
        rounds = np.repeat(speeds, per_connection, axis=1) * rng.lognormal(0, 0.05, (2, 400))
        for grouped in covered:
            (line,) = lines([benchmark(rounds[0].tolist(), rounds[1].tolist(), grouped)])
            assert line.ratio is not None
            covered[grouped] += line.ratio.low <= 1 <= line.ratio.high
    assert covered[per_connection] >= 0.88 * trials
    assert covered[1] <= 0.6 * trials


def test_groups_keep_their_order_and_the_quickest_comes_first() -> None:
    found = [
        benchmark([seconds], None) | {"group": group} for group, seconds in [("b", 3), ("a", 2), ("b", 1)]
    ]
    assert [(line.group, line.seconds.maximum) for line in lines(found)] == [("b", 1), ("b", 3), ("a", 2)]


def test_rounds_that_were_not_saved_are_named_with_the_cure() -> None:
    without = benchmark([1.0], None) | {"stats": {"median": 1.0}}
    with pytest.raises(NoData, match=r"test_something\[an answer\] .*--benchmark-save-data"):
        lines([without])


def test_the_terminal_shows_the_intervals_and_infinity_where_rounds_are_too_few() -> None:
    text = as_text(lines([benchmark([1e-4] * 10, [5e-5] * 10)]))
    assert "a question" in text
    assert "2.00 [2.00 to 2.00]" in text
    assert "100 [100 to ∞]" in text
