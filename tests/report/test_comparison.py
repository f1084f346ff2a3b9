import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolbench.report.columns import COMPARISONS
from poolbench.report.load import load
from poolbench.report.metrics.comparison import Comparison, block_medians, compare, noise_floor, noise_share
from poolbench.report.render import render
from poolbench.report.scenarios import Scenario, split
from poolbench.report.statistics import Estimate, Paired
from tests.report.edit import edit_rows, small_campaign
from tests.report.frames import scenario_of, warm


def test_known_prices_are_told_from_noise(scenario: Scenario) -> None:
    found = {one.label: one for one in compare(scenario)}
    assert "no_database" not in found
    assert "queuepool" not in found
    assert found["nullpool"].differs
    assert found["pre_ping"].differs
    assert not found["queuepool-twin"].differs
    assert found["pre_ping"].difference.value == pytest.approx(0.00022, rel=0.2)  # the cost of a ping


def test_noise_is_what_the_pair_says(scenario: Scenario) -> None:
    noise = noise_floor(compare(scenario))
    assert noise is not None
    assert noise.low < 1 < noise.high
    assert 0.01 <= noise_share(noise) < 0.1


def test_what_the_pair_differs_by_is_no_finding(scenario: Scenario) -> None:
    ping = next(one for one in compare(scenario) if one.label == "pre_ping")
    assert not ping.within_noise
    doubtful = replace(ping, noise=2 * ping.ratio.value - 1)
    alone = replace(ping, noise=math.nan)
    told = [row[-1].text for row in render(COMPARISONS, [ping, doubtful, alone]).rows]
    assert told == [
        "slower",
        "slower, but within the noise",
        "slower, without an A/A control to compare with",
    ]


def test_too_few_rounds_give_no_p_value_and_no_bound(tmp_path: Path) -> None:
    (scenario,) = split(load([small_campaign(tmp_path, gaps=(0.5,), rounds=2)]))
    found = compare(scenario)
    assert all(math.isnan(one.p_value) and not one.differs for one in found)
    assert all(one.ratio.high == math.inf for one in found)
    assert math.isnan(noise_share(noise_floor(found)))


def test_block_without_an_answered_request_of_both_is_left_out(tmp_path: Path) -> None:
    small_campaign(tmp_path, rounds=6)

    def lose_a_round(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["label"] == "pre_ping" and row["round"] == 3:
                row["outcome"] = "hang"

    edit_rows(tmp_path, lose_a_round)
    (scenario,) = split(load([tmp_path]))
    found = {one.label: one.ratio.n for one in compare(scenario)}
    assert found["queuepool-twin"] == 12
    assert found["pre_ping"] == 10


def test_many_equal_strategies_make_no_discovery(tmp_path: Path) -> None:
    """Twenty comparisons at 5 % would find one by chance; Holm's do not."""
    names = tuple(f"copy{number}" for number in range(20))
    small_campaign(tmp_path, strategies=("queuepool", *names), gaps=(0.5,), rounds=10)
    rng = np.random.default_rng(4)

    def draw(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["latency_s"] = float(rng.lognormal(-7, 0.2))

    edit_rows(tmp_path, draw)
    (scenario,) = split(load([tmp_path]))
    found = compare(scenario)
    assert len(found) == 21
    assert not any(one.differs for one in found)


def rounds(label: str, *medians_ms: float) -> list[dict[str, Any]]:
    """Three warm requests in each round, around a median, and a failed one that does not count."""
    return [
        warm(label, round=number, ms=ms, failed=is_failed)
        for number, median in enumerate(medians_ms)
        for ms, is_failed in ((median - 0.5, False), (median, False), (median + 9, False), (99, True))
    ]


def test_ratio_difference_and_p_value_are_those_of_the_blocks() -> None:
    requests = [
        *rounds("queuepool", 1, 2, 3, 4, 5, 6),
        *rounds("nullpool", 2, 4, 6, 8, 10, 12),
        *rounds("queuepool-twin", 1.1, 1.9, 3.3, 3.8, 5.5, 5.7),
        *rounds("no_database", 1, 1, 1, 1, 1, 1),
    ]
    control, null = sorted(compare(scenario_of(requests)), key=lambda one: one.label, reverse=True)
    assert (null.label, control.label) == ("nullpool", "queuepool-twin")
    assert (null.ratio.value, null.ratio.low, null.ratio.high) == pytest.approx((2, 2, 2))
    assert null.ratio.n == 6
    assert null.difference.value == pytest.approx(0.0035)  # of 1, 2, 3, 4, 5 and 6 ms
    assert null.p_value == pytest.approx(2 * 2**-5)  # the sign test's least for six blocks, times two by Holm
    assert not null.differs
    assert control.ratio.value == pytest.approx(math.sqrt(1.1 * 0.95))  # the median of logarithms
    assert (control.ratio.low, control.ratio.high) == pytest.approx((0.95, 1.1))
    assert null.noise == pytest.approx(0.1)
    assert noise_share(noise_floor([control])) == pytest.approx(0.1)


def test_medians_of_blocks_leave_failures_out_and_keep_rounds_apart() -> None:
    found = block_medians(scenario_of(rounds("queuepool", 1, 2)).rows)
    assert found["queuepool"].tolist() == pytest.approx([0.001, 0.002])


@pytest.mark.parametrize(
    ("low", "high", "share"),
    [(0.9, 1.05, 1 / 9), (0.99, 1.2, 0.2), (0.999, 1.001, 0.01), (0.9, math.inf, math.nan), (0, 2, math.nan)],
)
def test_noise_is_the_farther_end_of_the_interval_and_at_least_a_percent(
    low: float, high: float, share: float
) -> None:
    assert noise_share(Estimate(1, low, high, 9)) == pytest.approx(share, nan_ok=True)
    assert math.isnan(noise_share(None))


@pytest.mark.parametrize(("ratio", "within"), [(1.09, True), (1.11, False), (0.92, True), (0.9, False)])
def test_a_ratio_is_within_the_noise_up_to_its_share_and_its_inverse(ratio: float, within: bool) -> None:
    one = Estimate(ratio, ratio, ratio, 9)
    assert Comparison("nullpool", Paired(one, one, 0.01), noise=0.1).within_noise is within
