import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolbench.report.columns import COMPARISONS
from poolbench.report.load import load
from poolbench.report.metrics.comparison import compare, noise_floor, noise_share
from poolbench.report.render import render
from poolbench.report.scenarios import Scenario, split
from tests.report.edit import edit_rows, small_campaign


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
        "slower, by no more than the noise",
        "slower, with no A/A pair to hold it against",
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
