import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolbench.report.load import load
from poolbench.report.settings import Setting, split
from poolbench.report.tables import MainRow, main_table
from tests.report.edit import edit_rows, small_campaign
from tests.report.synthetic import RECYCLE


@pytest.fixture(scope="module")
def rows(setting: Setting) -> dict[tuple[str, float], MainRow]:
    return {(row.label, row.gap_ratio): row for row in main_table(setting)}


def test_every_strategy_and_gap_has_a_row_in_the_campaigns_order(setting: Setting) -> None:
    found = main_table(setting)
    assert [row.label for row in found[::5]] == list(setting.labels)
    assert [row.gap_ratio for row in found[:5]] == [0, 0.5, 0.9, 1.1, 2]


@pytest.mark.parametrize("label", ["queuepool", "queuepool-twin", "recycle_late"])
def test_lost_beyond_the_timeout_and_only_there(rows: dict[tuple[str, float], MainRow], label: str) -> None:
    assert [rows[label, gap].lost_count for gap in (0, 0.5, 0.9, 1.1, 2)] == [0, 0, 0, 30, 30]
    beyond = rows[label, 2]
    assert beyond.lost.value == 1
    assert beyond.recovered.value == 1
    assert beyond.recovered.n == 30
    assert math.isnan(beyond.first.median.value)


def test_latency_is_of_the_answered_only_and_says_how_many(setting: Setting) -> None:
    chosen = setting.rows
    chosen = chosen[(chosen["label"] == "pre_ping") & (chosen["gap_ratio"] == 2)]
    chosen = chosen[chosen["kind"] == "first_after_gap"]
    (row,) = (row for row in main_table(setting) if (row.label, row.gap_ratio) == ("pre_ping", 2))
    assert row.first.median.n == 30
    assert row.first.maximum == chosen["latency_s"].max()
    assert row.first.median.value in set(chosen["latency_s"])


def test_p99_of_thirty_requests_has_no_upper_bound(rows: dict[tuple[str, float], MainRow]) -> None:
    assert rows["nullpool", 0].first.p99.high == math.inf
    assert math.isfinite(rows["nullpool", 0].first.median.high)


def test_recycle_between_reuse_and_reconnect_is_told_as_two_modes(
    rows: dict[tuple[str, float], MainRow],
) -> None:
    assert RECYCLE["recycle"] == 0.7
    found = rows["recycle", 0.5].first_mixture
    assert found.reuse is not None
    assert found.reconnect is not None
    assert 0 < found.reconnect_share.value < 1
    assert found.reconnect.value > 2 * found.reuse.value


def test_counts_per_request_are_those_of_the_strategy(rows: dict[tuple[str, float], MainRow]) -> None:
    assert rows["nullpool", 2].connects == 1
    assert rows["nullpool", 2].wire_commands == rows["nullpool", 2].wire_commands_steady == 6
    assert rows["pre_ping", 0.5].wire_commands == 3
    assert rows["queuepool", 0.5].connects == 0
    assert math.isnan(rows["no_database", 0].wire_commands)


def test_reference_has_ratio_one_and_nullpool_is_slower_than_noise(
    rows: dict[tuple[str, float], MainRow],
) -> None:
    assert rows["queuepool", 0.5].steady_ratio.value == 1
    assert rows["nullpool", 0.5].steady_ratio.low > 2
    twin = rows["queuepool-twin", 0.5].steady_ratio
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
    (setting,) = split(load([tmp_path]))
    for row in main_table(setting):
        if row.label == "pre_ping":
            assert row.steady_ratio.value == pytest.approx(1.5)
            assert row.steady_ratio.low == pytest.approx(1.5)


def test_without_the_reference_there_is_no_ratio_but_everything_else(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def rename(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["label"] == "queuepool":
                row["label"] = "mine"

    edit_rows(tmp_path, rename)
    (setting,) = split(load([tmp_path]))
    assert all(row.steady_ratio.n == 0 for row in main_table(setting))


def test_abandoned_attempts_are_in_no_figure(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def abandon(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["counted"] = row["label"] != "pre_ping"

    edit_rows(tmp_path, abandon)
    dataset = load([tmp_path])
    (setting,) = split(dataset)
    assert "pre_ping" in set(dataset.rows["label"])
    assert "pre_ping" not in setting.labels
