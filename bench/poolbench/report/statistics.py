"""Estimates with their intervals. An infinite bound means that n is too small for a bound."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from poolbench.report import distributions

Values = npt.NDArray[np.float64]

CONFIDENCE = 0.95
MIN_BLOCKS = 6  # with fewer, even the extremes do not bound a median with 95 % confidence


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number, its confidence interval, and its number of observations."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Summary of a sample of latencies, in its unit; never a mean, never trimmed."""

    median: Estimate
    p95: Estimate
    p99: Estimate
    maximum: float  # NaN of an empty sample

    @classmethod
    def of(cls, values: npt.ArrayLike) -> "Quantiles":
        """Describe a sample of any size."""
        data = np.asarray(values, float)
        maximum = float(data.max()) if len(data) else math.nan
        return cls(quantile(data, 0.5), quantile(data, 0.95), quantile(data, 0.99), maximum)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Latency of requests of which some reused a connection and others opened one, by recorded facts."""

    reuse: Estimate | None  # median of the requests that reused one; None without any
    reconnect: Estimate | None  # median of the requests that opened one; None without any


@dataclass(frozen=True, slots=True)
class Paired:
    """The difference between two things that were measured side by side."""

    ratio: Estimate  # of the one to the other
    difference: Estimate  # of the one from the other, in their unit
    p_value: float  # probability of such a difference by chance; NaN with too few pairs


def rate(events: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """Share of `events` in `n` with Wilson's interval (Wilson 1927), which does not collapse at 0 or 1."""
    if n == 0:
        return Estimate(math.nan, 0.0, 1.0, 0)
    return Estimate(events / n, *distributions.wilson(events, n, confidence), n)


def quantile(values: npt.ArrayLike, q: float, confidence: float = CONFIDENCE) -> Estimate:
    """Quantile, with the interval between two order statistics (Conover 1999, section 3.2).

    It is an observed value, so it is never between the two modes of a mixture. The interval holds for any
    distribution. A bound is infinite where n has no order statistic far enough out: a finite
    upper bound of p99 takes 368 observations at 95 %, a lower bound of the median 6.
    """
    ordered = np.sort(np.asarray(values, float))
    n = len(ordered)
    if n == 0:
        return Estimate(math.nan, -math.inf, math.inf, 0)
    below, above = _bounds(n, q, confidence)
    low = float(ordered[below]) if below >= 0 else -math.inf
    high = float(ordered[above]) if above < n else math.inf
    return Estimate(float(np.quantile(ordered, q, method="inverted_cdf")), low, high, n)


@functools.cache
def _bounds(n: int, q: float, confidence: float) -> tuple[int, int]:
    """Indices of these order statistics, from 0; -1 and n if they do not exist."""
    tail, shares = (1 - confidence) / 2, distributions.binomial(n, q)
    below, above = np.cumsum(shares), np.cumsum(shares[::-1])
    return int(np.argmax(below >= tail)) - 1, n - int(np.argmax(above > tail))


def mixture(latency: npt.ArrayLike, reconnected: npt.ArrayLike) -> Mixture:
    """Separate the two modes by `reconnected`, a recorded fact of each request, never by latency."""
    data, opened = np.asarray(latency, float), np.asarray(reconnected, bool)
    reuse, reconnect = data[~opened], data[opened]
    return Mixture(
        quantile(reuse, 0.5) if len(reuse) else None, quantile(reconnect, 0.5) if len(reconnect) else None
    )


def paired(values: npt.ArrayLike, reference: npt.ArrayLike) -> Paired:
    """Compare pairs that were measured side by side: the median difference within pairs.

    Percentile bootstrap over the pairs, see `bootstrap_median`. The median, not the mean, so that a round in
    which the machine was busy does not decide.

    Args:
        values: one number for each block (a round on a lane), usually a median.
        reference: the same for the reference.

    """
    own, other = np.asarray(values, float), np.asarray(reference, float)
    ratio, p_value = _bootstrap(np.log(own) - np.log(other))
    difference, _ = _bootstrap(own - other)
    high = math.inf if ratio.high == math.inf else math.exp(ratio.high)
    as_ratio = Estimate(math.exp(ratio.value), math.exp(ratio.low), high, ratio.n)
    return Paired(as_ratio, difference, p_value)


def bootstrap_median(n: int) -> Values:
    """Share of all resamples of n values whose median is at most the k-th smallest value, k from 1 to n.

    Exact, so no resamples are drawn (Efron 1979, Annals of Statistics 7:1-26, section 3). For even n
    it is the lower of the two medians; the upper one's distribution is the mirror image.
    """
    more = (n + 1) // 2  # of the values of a resample that are at most the k-th smallest
    return np.array([distributions.binomial(n, k / n)[more:].sum() for k in range(1, n + 1)])


def _bootstrap(sample: Values, confidence: float = CONFIDENCE) -> tuple[Estimate, float]:
    """Median of independent blocks with its interval, and the two-sided p-value for a median of 0.

    The expanded percentile interval (Hesterberg 2015, The American Statistician 69:371-386): the plain one
    is too narrow for few blocks.
    """
    n = len(sample)
    median = float(np.median(sample)) if n else math.nan
    if n < MIN_BLOCKS:
        return Estimate(median, -math.inf, math.inf, n), math.nan
    # Student's t for n blocks replaces the normal's z of the plain percentile interval.
    spread, freedom = math.sqrt(n / (n - 1)), n - 1
    tail = distributions.normal_cdf(spread * distributions.student_quantile((1 - confidence) / 2, freedom))
    shares, ordered = bootstrap_median(n), np.sort(sample)
    place = int(np.argmax(shares >= tail))
    fewer = min(int((sample <= 0).sum()), int((sample >= 0).sum()))
    beyond = min(0.5, shares[fewer - 1]) if fewer else 0.0
    # The p-value cannot be smaller than that of the sign test for blocks that all agree.
    surprise = distributions.student_cdf(distributions.normal_quantile(beyond) / spread, freedom)
    p_value = max(2 * surprise, 2.0 ** (1 - n))
    return Estimate(median, float(ordered[place]), float(ordered[n - 1 - place]), n), p_value


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple comparisons (Holm 1979): reject those at or below the level.

    scipy has step-up procedures for the false discovery rate, but not this one.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
