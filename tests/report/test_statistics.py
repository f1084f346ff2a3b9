import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from poolbench.report.statistics import (
    Quantiles,
    bootstrap_median,
    holm,
    mixture,
    paired,
    quantile,
    rate,
)


@pytest.mark.parametrize(
    ("events", "n", "low", "high"),
    [  # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_is_the_published_one(events: int, n: int, low: float, high: float) -> None:
    found = rate(events, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_no_failure_in_sixty_still_allows_six_percent() -> None:
    found = rate(0, 60)
    assert found.value == 0
    assert 0.055 < found.high < 0.065


def test_rate_of_nothing_is_unknown() -> None:
    found = rate(0, 0)
    assert math.isnan(found.value)
    assert (found.low, found.high) == (0, 1)


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [  # ranks of the 95 % interval of a median: Conover (1999), table A3; 5 is too few
        (5, -math.inf, math.inf),
        (6, 1, 6),
        (10, 2, 9),
        (20, 6, 15),
        (30, 10, 21),
    ],
)
def test_median_interval_has_the_published_ranks(n: int, low: float, high: float) -> None:
    found = quantile(np.arange(1, n + 1), 0.5)
    assert (found.low, found.high) == (low, high)


@pytest.mark.parametrize(("n", "finite"), [(367, False), (368, True)])
def test_p99_has_an_upper_bound_from_368_observations_on(n: int, finite: bool) -> None:
    assert math.isfinite(quantile(np.arange(n), 0.99).high) is finite


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_quantile_lies_within_its_interval_and_does_not_care_for_order(values: list[float], q: float) -> None:
    found = quantile(values, q)
    assert found.low <= found.value <= found.high
    assert found == quantile(sorted(values, reverse=True), q)


@given(st.integers(1, 600), st.sampled_from([0.5, 0.95, 0.99]))
def test_interval_of_a_quantile_is_that_of_the_quantile_test(n: int, q: float) -> None:
    values = np.arange(n, dtype=float)
    expected: Any = stats.quantile_test(values, p=q).confidence_interval(0.95)
    found = quantile(values, q)
    assert found.low == (-math.inf if math.isnan(expected.low) else expected.low)
    assert found.high == (math.inf if math.isnan(expected.high) else expected.high)


def test_quantile_of_nothing_is_unknown() -> None:
    assert math.isnan(quantile([], 0.5).value)


def test_mixture_goes_by_facts_not_by_latency() -> None:
    found = mixture([1, 1, 1, 9, 9, 9], [False, True, False, True, False, True])
    assert found.reuse is not None
    assert found.reuse.value == 1
    assert found.reconnect is not None
    assert found.reconnect.value == 9


def test_mixture_of_one_kind_has_one_mode() -> None:
    found = mixture([1.0, 2.0], [False, False])
    assert found.reconnect is None
    assert found.reuse is not None


def test_equal_blocks_have_no_difference() -> None:
    found = paired(np.full(8, 3.0), np.full(8, 3.0))
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
    assert found.p_value == 1


def test_constant_factor_is_found_whatever_the_blocks_do() -> None:
    rounds = np.random.default_rng(1).lognormal(0, 1, 12)
    found = paired(2 * rounds, rounds)
    assert found.ratio.value == pytest.approx(2)
    assert found.ratio.low == pytest.approx(2)
    assert found.ratio.high == pytest.approx(2)
    assert found.p_value <= 0.001


def test_one_busy_round_does_not_decide() -> None:
    reference = np.ones(12)
    values = np.array([1.1] * 11 + [500.0])
    found = paired(values, reference)
    assert found.ratio.value == pytest.approx(1.1)
    assert found.ratio.high < 1.2


@pytest.mark.parametrize(("blocks", "bounded"), [(5, False), (6, True)])
def test_five_blocks_are_too_few_for_an_interval(blocks: int, bounded: bool) -> None:
    found = paired(np.arange(1, blocks + 1), np.ones(blocks))
    assert math.isfinite(found.ratio.high) is bounded
    assert math.isfinite(found.difference.low) is bounded
    assert math.isnan(found.p_value) is not bounded


def test_no_blocks_are_no_figure() -> None:
    assert math.isnan(paired([], []).ratio.value)


@given(st.integers(0, 50))
def test_p_value_and_interval_say_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.lognormal(0, 0.3, 30)
    found = paired(reference * rng.lognormal(0.05, 0.15, 30), reference)
    outside = found.ratio.low > 1 or found.ratio.high < 1
    assert outside is (found.p_value < 0.05) or found.p_value == pytest.approx(0.05, abs=0.002)


def test_holm_gives_the_published_adjustment() -> None:
    # Wright (1992), Biometrics 48:1005-1013: 0.01, 0.02, 0.03, 0.04 -> each 0.04 to 0.06
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_keeps_the_order_and_never_helps(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(0 <= raw <= new <= 1 for raw, new in zip(p_values, adjusted, strict=True))
    by_raw = [new for _, new in sorted(zip(p_values, adjusted, strict=True))]
    assert by_raw == sorted(by_raw)


DRAWS = 2000


@pytest.mark.slow
def test_intervals_cover_the_truth_in_93_to_97_of_100_draws() -> None:
    rng = np.random.default_rng(20261123)
    median, shape, blocks = 1.0, 0.4, 30
    hits = dict.fromkeys(("median", "difference", "ratio"), 0)
    for _ in range(DRAWS):
        latencies = rng.lognormal(math.log(median), shape, 120)
        reference = rng.lognormal(0, 0.2, blocks)  # rounds differ a lot, pairs within them a little
        values = reference * rng.lognormal(math.log(1.3), 0.05, blocks)
        added = reference + rng.normal(0.5, 0.1, blocks)
        found = quantile(latencies, 0.5)
        hits["median"] += found.low <= median <= found.high
        ratio = paired(values, reference).ratio
        hits["ratio"] += ratio.low <= 1.3 <= ratio.high
        difference = paired(added, reference).difference
        hits["difference"] += difference.low <= 0.5 <= difference.high
    covered = {name: count / DRAWS for name, count in hits.items()}
    assert all(0.93 <= share <= 0.97 for share in covered.values()), covered


def test_bootstrap_of_a_median_is_the_published_one() -> None:
    # Efron (1979), Annals of Statistics 7:1-26, (3.4): probabilities of each of 13 values to be the median
    published = [0, 0.0015, 0.0142, 0.0550, 0.1242, 0.1936, 0.2230]
    found = np.diff(bootstrap_median(13), prepend=0)
    assert found.tolist() == pytest.approx([*published, *published[-2::-1]], abs=1e-4)


@pytest.mark.parametrize("blocks", [6, 7, 9, 12])
def test_interval_of_few_pairs_is_not_too_narrow(blocks: int) -> None:
    """The plain percentile bootstrap of a median covers 88 % at 7 pairs; level and p-value go with it."""
    rng = np.random.default_rng(blocks)
    reference = rng.lognormal(0, 0.2, (1000, blocks))
    found = [paired(own * rng.lognormal(0, 0.05, blocks), own) for own in reference]
    assert np.mean([one.ratio.low <= 1 <= one.ratio.high for one in found]) >= 0.93
    assert np.mean([one.p_value <= 0.05 for one in found]) <= 0.07


@pytest.mark.slow
def test_wilson_interval_covers_a_rare_failure_on_the_whole() -> None:
    # For one n it swings with the rate, being of whole counts; over rates it holds its level.
    rng = np.random.default_rng(1)
    truths = rng.uniform(0.02, 0.5, DRAWS)
    found = [rate(int(rng.binomial(60, truth)), 60) for truth in truths]
    covered = np.mean([one.low <= truth <= one.high for one, truth in zip(found, truths, strict=True)])
    assert 0.93 <= covered <= 0.97


# Places and p-values below were computed with scipy 1.17.1 from the formulas alone:
# spread = sqrt(n / (n - 1)); tail = norm.cdf(spread * t.ppf(0.025, n - 1)), whose place among
# binom.sf((n - 1) // 2, n, k / n) is the bound; p = 2 * t.cdf(norm.ppf(binom.sf(...)) / spread, n - 1).
@pytest.mark.parametrize(
    ("blocks", "low", "high"), [(7, 1, 7), (8, 1, 8), (13, 3, 11), (21, 6, 16), (22, 6, 17), (32, 10, 23)]
)
def test_few_blocks_have_the_expanded_interval(blocks: int, low: int, high: int) -> None:
    reference = np.full(blocks, 1000.0)
    difference = paired(reference + np.arange(1, blocks + 1), reference).difference
    assert (difference.low, difference.high) == (low, high)


@pytest.mark.parametrize(
    ("blocks", "against", "p_value"),
    [
        (8, 2, 0.29627071772310354),
        (12, 3, 0.15295279539389403),
        (20, 6, 0.12111062366218098),
        (30, 9, 0.0458938901800564),
    ],
)
def test_p_value_is_that_of_students_t(blocks: int, against: int, p_value: float) -> None:
    reference = np.full(blocks, 1000.0)
    differences = np.where(np.arange(blocks) < against, -1.0, 1.0) * np.arange(1, blocks + 1)
    assert paired(reference + differences, reference).p_value == pytest.approx(p_value, rel=1e-9)
    assert paired(reference - differences, reference).p_value == pytest.approx(p_value, rel=1e-9)


def test_nothing_is_nothing_of_nothing() -> None:
    assert rate(0, 0).n == 0
    assert (rate(0, 0).low, rate(0, 0).high) == (0.0, 1.0)


def test_flags_that_are_not_bools_are_facts_all_the_same() -> None:
    found = mixture(["1.5", "2.5", "9"], [0, 0, 1])
    assert found.reuse is not None
    assert found.reconnect is not None
    assert (found.reuse.value, found.reconnect.value) == (1.5, 9.0)
    assert mixture([1.0], [1]).reuse is None


@pytest.mark.parametrize("n", [1, 2, 20, 40, 100])
def test_quantiles_name_their_own_share(n: int) -> None:
    found = Quantiles.of(range(1, n + 1))
    told = (found.median.value, found.p95.value, found.p99.value, found.maximum)
    assert told == (math.ceil(n / 2), math.ceil(19 * n / 20), math.ceil(99 * n / 100), n)
    assert math.isnan(Quantiles.of([]).maximum)
