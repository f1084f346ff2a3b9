from pathlib import Path
from typing import Any

import pytest

from poolbench.report.load import Dataset, load
from poolbench.report.requests import RequestKind
from tests.report.edit import edit_rows, small_campaign


def test_every_request_has_one_kind(dataset: Dataset) -> None:
    assert dataset.rows["kind"].notna().all()


def test_first_after_gap_is_what_the_campaign_measured(dataset: Dataset) -> None:
    counts = dataset.rows.groupby(["label", "gap_ratio", "kind"], observed=True).size()
    measured = counts.xs(RequestKind.FIRST_AFTER_GAP, level="kind")
    assert set(measured) == {30}
    assert len(measured) == 8 * 5


def test_first_request_of_a_priming_invocation_is_not_measured(dataset: Dataset) -> None:
    rows = dataset.rows
    assert (rows.loc[rows["role"] == "prime", "kind"] != RequestKind.FIRST_AFTER_GAP).all()


def test_request_after_a_lost_one_is_no_steady_one(dataset: Dataset) -> None:
    rows = dataset.rows
    after = rows[rows["kind"] == RequestKind.AFTER_FAILURE]
    assert set(after["label"].unique()) == {"queuepool", "queuepool-twin", "recycle_late"}
    assert set(after["connects"]) == {1}
    pooled = rows[(rows["kind"] == RequestKind.WARM) & (rows["label"] != "nullpool")]
    assert set(pooled["connects"]) == {0}


def test_a_loss_does_not_reach_into_the_next_invocation(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def lose_last_of_invocation(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["request"] == 2:
                row["outcome"] = "error"

    edit_rows(tmp_path, lose_last_of_invocation)
    rows = load([tmp_path]).rows
    assert (rows.loc[rows["request"] == 0, "kind"] != RequestKind.AFTER_FAILURE).all()


def test_gap_is_what_the_connection_saw_and_else_what_the_engine_saw(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def other_idle_times(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["gap_s"] = 3.0
            row["connection_idle_s"] = 5.0 if row["label"] == "queuepool" else None

    edit_rows(tmp_path, other_idle_times)
    rows = load([tmp_path]).rows
    seen = rows.groupby("label", observed=True)["observed_idle"].unique()
    assert seen["queuepool"].tolist() == [pytest.approx(2.5)]
    assert seen["pre_ping"].tolist() == [pytest.approx(1.5)]


def test_request_that_took_its_environment_along_stands_at_the_gap_asked_for(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def kill(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row.update(gap_s=None, connection_idle_s=None, outcome="hang")

    edit_rows(tmp_path, kill)
    rows = load([tmp_path]).rows
    assert rows["observed_idle_s"].isna().all()
    assert (rows["observed_idle"] == rows["gap_ratio"]).all()
    assert rows["failed"].all()
