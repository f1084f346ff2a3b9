import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolbench.report.load import load
from poolbench.report.metrics.gaps import GapRow, failure_curves, main_table
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import Scenario, split
from tests.report.edit import edit_rows, small_campaign
from tests.report.frames import failed, request, scenario_of, warm
from tests.report.synthetic import RECYCLE


@pytest.fixture(scope="module")
def rows(scenario: Scenario) -> dict[tuple[str, float], GapRow]:
    return {(row.label, row.gap_ratio): row for row in main_table(scenario)}


def test_every_strategy_and_gap_has_a_row_in_the_campaigns_order(scenario: Scenario) -> None:
    found = main_table(scenario)
    assert [row.label for row in found[::5]] == list(scenario.labels)
    assert [row.gap_ratio for row in found[:5]] == [0, 0.5, 0.9, 1.1, 2]


@pytest.mark.parametrize("label", ["queuepool", "queuepool-twin", "recycle_late"])
def test_lost_beyond_the_timeout_and_only_there(rows: dict[tuple[str, float], GapRow], label: str) -> None:
    assert [rows[label, gap].failed_count for gap in (0, 0.5, 0.9, 1.1, 2)] == [0, 0, 0, 30, 30]
    beyond = rows[label, 2]
    assert beyond.failed.value == 1
    assert beyond.recovered.value == 1
    assert beyond.recovered.n == 30
    assert math.isnan(beyond.first.median.value)


def test_latency_is_of_the_answered_only_and_says_how_many(scenario: Scenario) -> None:
    chosen = scenario.rows
    chosen = chosen[(chosen["label"] == "pre_ping") & (chosen["gap_ratio"] == 2)]
    chosen = chosen[chosen["kind"] == "first_after_gap"]
    (row,) = (row for row in main_table(scenario) if (row.label, row.gap_ratio) == ("pre_ping", 2))
    assert row.first.median.n == 30
    assert row.first.maximum == chosen["latency_s"].max()
    assert row.first.median.value in set(chosen["latency_s"])


def test_p99_of_thirty_requests_has_no_upper_bound(rows: dict[tuple[str, float], GapRow]) -> None:
    assert rows["nullpool", 0].first.p99.high == math.inf
    assert math.isfinite(rows["nullpool", 0].first.median.high)


def test_recycle_between_reuse_and_reconnect_is_told_as_two_modes(
    rows: dict[tuple[str, float], GapRow],
) -> None:
    assert RECYCLE["recycle"] == 0.7
    found = rows["recycle", 0.5].first_mixture
    assert found.reuse is not None
    assert found.reconnect is not None
    assert found.reconnect.value > 2 * found.reuse.value


def test_counts_per_request_are_those_of_the_strategy(rows: dict[tuple[str, float], GapRow]) -> None:
    assert rows["nullpool", 2].connects == 1
    assert rows["nullpool", 2].wire_commands == 6
    assert rows["pre_ping", 0.5].wire_commands == 3
    assert rows["queuepool", 0.5].connects == 0
    assert math.isnan(rows["no_database", 0].wire_commands)


def test_reference_has_ratio_one_and_nullpool_is_slower_than_noise(
    rows: dict[tuple[str, float], GapRow],
) -> None:
    assert rows["queuepool", 0.5].warm_ratio.value == 1
    assert rows["nullpool", 0.5].warm_ratio.low > 2
    twin = rows["queuepool-twin", 0.5].warm_ratio
    assert twin.low < 1.1
    assert twin.high > 0.9


def test_ratio_is_paired_within_rounds(tmp_path: Path) -> None:
    """A round twice as slow for all must not show: that is what pairing is for."""
    small_campaign(tmp_path, rounds=8)
    slow_rounds = np.random.default_rng(1).lognormal(0, 1, 8)

    def slow_down(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            factor = 1.5 if row["label"] == "pre_ping" else 1.0
            row["latency_s"] = 0.001 * factor * slow_rounds[row["round"]]

    edit_rows(tmp_path, slow_down)
    (scenario,) = split(load([tmp_path]))
    for row in main_table(scenario):
        if row.label == "pre_ping":
            assert row.warm_ratio.value == pytest.approx(1.5)
            assert row.warm_ratio.low == pytest.approx(1.5)


def test_without_the_reference_there_is_no_ratio_but_everything_else(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def rename(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["label"] == "queuepool":
                row["label"] = "mine"

    edit_rows(tmp_path, rename)
    (scenario,) = split(load([tmp_path]))
    assert all(row.warm_ratio.n == 0 for row in main_table(scenario))


def test_abandoned_attempts_are_in_no_figure(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def abandon(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["counted"] = row["label"] != "pre_ping"

    edit_rows(tmp_path, abandon)
    dataset = load([tmp_path])
    (scenario,) = split(dataset)
    assert "pre_ping" in set(dataset.rows["label"])
    assert "pre_ping" not in scenario.labels


def test_every_number_of_a_row_is_that_of_its_requests() -> None:
    requests = [
        *(request(ms=ms, observed_idle=idle, wire_commands=2) for ms, idle in ((1, 1.4), (2, 1.6), (3, 1.9))),
        request(ms=8, connects=1, wire_commands=6, observed_idle=1.7),
        failed(ms=500, wire_commands=1, observed_idle=1.8),
        request(ms=4, kind=RequestKind.AFTER_FAILURE, connects=1),
        failed(ms=5, kind=RequestKind.AFTER_FAILURE),
        *(warm(ms=ms) for ms in (11, 12, 13)),
        warm(ms=700, failed=True),
        request(ms=77, gap_ratio=0.5, observed_idle=0.5),
    ]
    shorter, found = main_table(scenario_of(requests))
    assert (shorter.gap_ratio, found.gap_ratio) == (0.5, 1.5)
    assert found.observed_idle == 1.7
    assert (found.failed.value, found.failed.n, found.failed_count) == (0.2, 5, 1)
    assert (found.first.median.value, found.first.maximum, found.first.median.n) == (0.002, 0.008, 4)
    assert found.first_mixture.reuse is not None
    assert found.first_mixture.reconnect is not None
    assert (found.first_mixture.reuse.value, found.first_mixture.reconnect.value) == (0.002, 0.008)
    assert (found.recovered.value, found.recovered.n) == (0.5, 2)
    assert (found.warm.median.value, found.warm.maximum, found.warm.median.n) == (0.012, 0.013, 3)
    assert (found.warm_ratio.value, found.warm_ratio.n) == (1, 1)
    assert (found.connects, found.wire_commands) == pytest.approx((0.2, 13 / 5))


def test_a_gap_is_a_point_for_each_side_of_the_timeout_that_was_observed() -> None:
    requests = [
        *(request(gap_ratio=0.98, observed_idle=idle) for idle in (0.97, 0.99, 1.0)),
        *(failed(gap_ratio=0.98, observed_idle=idle) for idle in (1.02, 1.04)),
        request(gap_ratio=0.98, observed_idle=1.03),
        request("pre_ping", gap_ratio=0.5, observed_idle=0.5),
    ]
    curves = failure_curves(scenario_of(requests))
    found = curves["queuepool"]
    assert [idle for idle, _ in found.points] == [0.99, 1.03]
    assert [(rate.value, rate.n) for _, rate in found.points] == [(0, 3), (pytest.approx(2 / 3), 3)]
    assert (found.failed, found.n) == (2, 6)
    assert (curves["pre_ping"].failed, curves["pre_ping"].n) == (0, 1)
