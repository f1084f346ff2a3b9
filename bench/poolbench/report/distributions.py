"""The few distributions that intervals and p-values are made from.

Written out because scipy, which has them, is a fifth of what a campaign would install; the tests compare each
with scipy's.
"""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_NORMAL = NormalDist()


def normal_cdf(x: float) -> float:
    """Standard normal distribution; exact in its tails."""
    return math.erfc(-x / math.sqrt(2)) / 2


def normal_quantile(p: float) -> float:
    """Its inverse (Wichura 1988, algorithm AS 241)."""
    return -math.inf if p <= 0 else math.inf if p >= 1 else _NORMAL.inv_cdf(p)


def student_cdf(x: float, freedom: int) -> float:
    """Student's t for whole degrees of freedom (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4)."""
    angle = math.atan2(x, math.sqrt(freedom))
    cosine, odd = math.cos(angle), freedom % 2
    term = total = cosine if odd else 1.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if odd:
        between = 2 / math.pi * (angle + (math.sin(angle) * total if freedom > 1 else 0.0))
    else:
        between = math.sin(angle) * total
    return max(0.0, (1 + between) / 2)


def student_quantile(p: float, freedom: int) -> float:
    """Its inverse, by halving."""
    low, high = -1.0, 1.0
    while student_cdf(low, freedom) > p:
        low *= 2
    while student_cdf(high, freedom) < p:
        high *= 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if student_cdf(middle, freedom) < p else (low, middle)
    return high


def binomial(n: int, p: float) -> Values:
    """Probability of each number of successes, from 0 to n."""
    if p <= 0 or p >= 1:
        certain = np.zeros(n + 1)
        certain[0 if p <= 0 else n] = 1.0
        return certain
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    k = np.arange(n + 1)
    ways = factorials[n] - factorials - factorials[::-1]
    chances: Values = np.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))
    return chances


def wilson(events: int, n: int, confidence: float) -> tuple[float, float]:
    """Interval of a share (Wilson 1927)."""
    z = normal_quantile((1 + confidence) / 2)
    middle, reach = 2 * events + z * z, z * math.sqrt(4 * events * (n - events) / n + z * z)
    low, high = (middle - reach) / (2 * (n + z * z)), (middle + reach) / (2 * (n + z * z))
    return (low if events else 0.0), (high if events < n else 1.0)
