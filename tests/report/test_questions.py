import functools
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from poolbench.campaign.file import CampaignFile
from poolbench.report.charts.contest import contest
from poolbench.report.load import load
from poolbench.report.metrics.failures import after_stale
from poolbench.report.metrics.latency import strategy_requests
from poolbench.report.questions import QUESTIONS, Question
from poolbench.report.scenarios import Scenario, split
from tests.report.drawn import points_of
from tests.report.edit import edit_rows, small_campaign

RESULTS = Path(__file__).parents[2] / "results"
OF = {question.name: question for question in QUESTIONS}


@functools.cache
def first_scenario(campaign: str) -> Scenario:
    return split(load([RESULTS / campaign]))[0]


def measured(question: Question) -> Scenario:
    return first_scenario(question.campaign)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_the_campaign_of_a_question_measures_what_the_answer_needs(question: Question) -> None:
    assert set(question.labels) <= set(CampaignFile.load(question.campaign).campaign.factors.strategies)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_every_answer_stands_on_figures_and_has_its_chart(question: Question) -> None:
    scenario = measured(question)
    reply = question.reply(scenario)
    assert "cannot tell" not in reply
    assert "nan" not in reply
    assert " - " not in reply
    assert question.draw(scenario, question.labels) is not None


def test_a_campaign_without_a_strategy_says_which_is_missing(scenario: Scenario) -> None:
    assert OF["held"].reply(scenario) == "This campaign cannot tell: it did not measure held."
    assert contest(strategy_requests(scenario, ["held"])) is None


def test_failed_requests_turn_the_answer(tmp_path: Path) -> None:
    small_campaign(tmp_path, strategies=("queuepool", "recycle"))
    (scenario,) = split(load([tmp_path]))
    assert (
        OF["frozen"]
        .reply(scenario)
        .startswith("Yes, in this campaign: of first requests after the timeout, recycle failed 0 of 2")
    )

    def lose(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["label"] == "recycle" and row["gap_ratio"] > 1 and row["state"] == "first_after_gap":
                row["outcome"] = "error"

    edit_rows(tmp_path, lose)
    (scenario,) = split(load([tmp_path]))
    assert (
        OF["frozen"]
        .reply(scenario)
        .startswith("Not always: of first requests after the timeout, recycle failed 2 of 2")
    )


def test_who_pays_after_a_stale_generation_is_counted_from_the_rows() -> None:
    scenario = measured(OF["order"])
    rows = pq.read_table(RESULTS / "stale_pool" / "rows.parquet").to_pylist()
    for label in ("queuepool", "lifo"):
        beyond = [
            row for row in rows if row["label"] == label and row["gap_ratio"] > 1 and row["role"] == "measure"
        ]
        gaps = {(row["cell"], row["attempt"], row["sequence"]) for row in beyond}
        opened = sum(row["connects"] > 0 for row in beyond) / len(gaps)
        assert after_stale(scenario, label)["opened"].sum() == pytest.approx(opened)


def test_every_request_of_a_contest_is_a_point(scenario: Scenario) -> None:
    figure = contest(strategy_requests(scenario, ["queuepool", "pre_ping"]))
    assert figure is not None
    rows = scenario.rows[scenario.rows["label"].isin(["queuepool", "pre_ping"])]
    first = rows[(rows["kind"] == "first_after_gap") & (rows["observed_idle"] > 1)]
    steady = rows[rows["kind"] == "warm"]
    assert [len(points_of(axis)) for axis in figure.axes[:2]] == [len(first), len(steady)]
