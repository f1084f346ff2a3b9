"""Each distribution beside scipy's, and beside figures that were printed elsewhere."""

import math

import numpy as np
import pytest
from scipy import stats

from poolbench.report.distributions import (
    binomial,
    normal_cdf,
    normal_quantile,
    student_cdf,
    student_quantile,
    wilson,
)


@pytest.mark.parametrize("x", [-12.0, -3.0, -0.5, 0.0, 1.96, 5.0])
def test_normal(x: float) -> None:
    assert normal_cdf(x) == pytest.approx(stats.norm.cdf(x), rel=1e-12)
    assert normal_quantile(normal_cdf(x)) == pytest.approx(x, rel=1e-6, abs=1e-12)


def test_the_ends_of_the_normal() -> None:
    assert (normal_quantile(0.0), normal_quantile(1.0)) == (-math.inf, math.inf)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 6, 7, 29, 30, 199, 200])
def test_student(freedom: int) -> None:
    for x in (-math.inf, -30.0, -2.0, -0.1, 0.0, 0.7, 4.0):
        assert student_cdf(x, freedom) == pytest.approx(stats.t.cdf(x, freedom), rel=1e-9, abs=1e-14)
    for p in (0.001, 0.025, 0.5, 0.9):
        assert student_quantile(p, freedom) == pytest.approx(stats.t.ppf(p, freedom), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("freedom", "printed"), [(1, 12.706), (2, 4.303), (5, 2.571), (10, 2.228), (30, 2.042)]
)
def test_student_as_tables_print_it(freedom: int, printed: float) -> None:
    # NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2: upper critical values, 0.975
    assert student_quantile(0.975, freedom) == pytest.approx(printed, abs=5e-4)


@pytest.mark.parametrize("n", [1, 2, 6, 60, 5000])
@pytest.mark.parametrize("p", [0.0, 0.01, 0.5, 0.99, 1.0])
def test_binomial(n: int, p: float) -> None:
    assert binomial(n, p) == pytest.approx(stats.binom.pmf(np.arange(n + 1), n, p), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(("events", "n"), [(0, 30), (1, 30), (15, 30), (30, 30), (1, 1), (7, 1000)])
def test_wilson(events: int, n: int) -> None:
    interval = stats.binomtest(events, n).proportion_ci(0.95, method="wilson")
    assert wilson(events, n, 0.95) == pytest.approx((interval.low, interval.high), rel=1e-12)
