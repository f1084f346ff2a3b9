"""Estimates with the intervals that belong to them. An infinite bound says that n is too small for one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

Values = npt.NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 4999
_DRAWS = 4_000_000  # at most, of blocks; where there are many of them, fewer resamples do
MIN_BLOCKS = 5  # below, a bootstrap has too few distinct resamples for a 95 % interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, its confidence interval, and how many observations it stands on."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Quantiles:
    """What is told of any sample of latencies, in its unit; never a mean, never trimmed.

    Attributes:
        maximum: NaN of an empty sample.

    """

    median: Estimate
    p95: Estimate
    p99: Estimate
    maximum: float

    @classmethod
    def of(cls, values: npt.ArrayLike) -> "Quantiles":
        """Describe a sample of any size."""
        data = np.asarray(values, float)
        maximum = float(data.max()) if len(data) else math.nan
        return cls(quantile(data, 0.5), quantile(data, 0.95), quantile(data, 0.99), maximum)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Latency of requests of which some reused a connection and others opened one, by recorded facts.

    Attributes:
        reconnect_share: how many opened one.
        reuse: median of those that did not, None if there were none.
        reconnect: median of those that did, None if there were none.

    """

    reconnect_share: Estimate
    reuse: Estimate | None
    reconnect: Estimate | None


def rate(events: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """Share of `events` in `n` with Wilson's interval (Wilson 1927), which does not collapse at 0 or 1."""
    if n == 0:
        return Estimate(math.nan, 0.0, 1.0, 0)
    interval = stats.binomtest(events, n).proportion_ci(confidence, method="wilson")
    return Estimate(events / n, float(interval.low), float(interval.high), n)


def quantile(values: npt.ArrayLike, q: float, confidence: float = CONFIDENCE) -> Estimate:
    """Quantile, with the interval between two order statistics (Conover 1999, section 3.2).

    It is a value that was observed, so it never lies in the void between the two modes of a mixture.
    Holds for any distribution. A bound is infinite where n has no order statistic far enough out: a finite
    upper bound of p99 takes 368 observations at 95 %, a lower bound of the median 6.
    """
    data = np.asarray(values, float)
    if len(data) == 0:
        return Estimate(math.nan, -math.inf, math.inf, 0)
    bounds: Any = stats.quantile_test(data, p=q).confidence_interval(confidence)
    low = -math.inf if math.isnan(bounds.low) else float(bounds.low)
    high = math.inf if math.isnan(bounds.high) else float(bounds.high)
    return Estimate(float(np.quantile(data, q, method="inverted_cdf")), low, high, len(data))


def mixture(latency: npt.ArrayLike, reconnected: npt.ArrayLike) -> Mixture:
    """Tell the two modes apart by `reconnected`, a fact of each request; never by its latency."""
    data, opened = np.asarray(latency, float), np.asarray(reconnected, bool)
    reuse, reconnect = data[~opened], data[opened]
    return Mixture(
        rate(int(opened.sum()), len(data)),
        quantile(reuse, 0.5) if len(reuse) else None,
        quantile(reconnect, 0.5) if len(reconnect) else None,
    )


def difference_within_blocks(values: npt.ArrayLike, reference: npt.ArrayLike, seed: int = 0) -> Estimate:
    """Mean difference of pairs that were measured side by side, in the unit of `values`.

    Args:
        values: one figure for each block (a round on a lane), a median as a rule.
        reference: the same of what it is compared with.
        seed: of the resampling.

    """
    return _bootstrap_t(np.asarray(values, float) - np.asarray(reference, float), seed)


def ratio_within_blocks(values: npt.ArrayLike, reference: npt.ArrayLike, seed: int = 0) -> Estimate:
    """Geometric mean of the ratios of pairs that were measured side by side; arguments as above."""
    logs = np.log(np.asarray(values, float)) - np.log(np.asarray(reference, float))
    found = _bootstrap_t(logs, seed)
    return Estimate(math.exp(found.value), math.exp(found.low), _exp(found.high), found.n)


def _exp(value: float) -> float:
    return math.inf if value == math.inf else math.exp(value)


def _bootstrap_t(sample: Values, seed: int, confidence: float = CONFIDENCE) -> Estimate:
    """Mean of independent blocks with the studentised bootstrap interval (Efron and Tibshirani 1993, 12.5).

    Rounds are few, and percentile intervals are too narrow then; this one holds its level from about ten.
    """
    n = len(sample)
    mean = float(sample.mean()) if n else math.nan
    if n < MIN_BLOCKS:
        return Estimate(mean, -math.inf, math.inf, n)
    error = float(sample.std(ddof=1)) / math.sqrt(n)
    resamples = min(RESAMPLES, max(999, _DRAWS // n))
    drawn = np.random.default_rng(seed).choice(sample, (resamples, n))
    errors = drawn.std(axis=1, ddof=1) / math.sqrt(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (drawn.mean(axis=1) - mean) / errors
    t = t[np.isfinite(t)]
    if len(t) == 0:  # every block says the same
        return Estimate(mean, mean, mean, n)
    tail = (1 - confidence) / 2
    upper, lower = np.quantile(t, [1 - tail, tail])
    return Estimate(mean, mean - float(upper) * error, mean - float(lower) * error, n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for being many (Holm 1979): reject those at or below the level, in any family.

    scipy has the step-up procedures for the false discovery rate, but not this one.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
