"""What README opens with, from several campaigns."""

from pathlib import Path
from typing import Any

import pytest

from poolbench.function.strategies import STRATEGIES
from poolbench.report.load import load
from poolbench.report.metrics.assessment import AssessedCampaign, assess
from poolbench.report.overview import _written, of_campaigns
from poolbench.report.scenarios import split
from tests.report.edit import edit_rows, small_campaign


def campaign(name: str, *directories: Path) -> AssessedCampaign:
    settings = split(load(directories, mixed=True))
    return AssessedCampaign(name, tuple((scenario, assess(scenario)) for scenario in settings))


def test_who_is_recommended_is_said_with_where_each_strategy_lost(tmp_path: Path) -> None:
    drivers = [
        small_campaign(tmp_path / driver, driver=driver, campaign=f"synthetic-20261123T12000{number}Z-0001")
        for number, driver in enumerate(("pymysql", "asyncmy"))
    ]

    def lose_pings(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["label"] == "pre_ping" and row["request"] == 0 and row["gap_ratio"] == 1.5:
                row.update(outcome="error", error_class="builtins.RuntimeError", error_message="another loop")

    edit_rows(drivers[1], lose_pings)
    said = of_campaigns([campaign("quick", drivers[0]), campaign("matrix", *drivers)]).splitlines()
    assert said[0] == "Recommended by [quick](#quick): **`pre_ping`**."
    assert said[1].startswith("It is pool_pre_ping: ")
    assert said[2].endswith("of 1800 s: `create_engine(url, pool_pre_ping=True)`.")
    assert said[3].startswith("None of ")
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said if line.startswith("|")]
    assert table[0] == [
        "strategy",
        "warm request, commands",
        "warm request, ms p50 in quick",
        "failed requests in",
    ]
    assert [(line[0], line[-1]) for line in table[2:]] == [
        ("queuepool", "quick, matrix 2 of 2"),
        ("pre_ping", "matrix 1 of 2"),
    ]


def test_campaigns_that_disagree_or_recommend_nobody_are_told_apart(tmp_path: Path) -> None:
    safe = small_campaign(tmp_path / "safe")
    unsafe = small_campaign(tmp_path / "unsafe", strategies=("queuepool", "recycle_late"))
    said = of_campaigns([campaign("one", safe), campaign("other", unsafe)])
    assert "Recommended by [one](#one): **`pre_ping`**." in said
    assert "None is recommended by [other](#other)." in said
    assert [line.split("|")[1].strip() for line in said.splitlines() if line.startswith("|")][2:] == [
        "queuepool"
    ]


@pytest.mark.parametrize(
    ("strategy", "written"),
    [
        ("recycle", ["create_engine(url, pool_recycle=1260)"]),
        ("nullpool", ["create_engine(url, poolclass=NullPool)"]),
        ("recycle_pre_ping", ["create_engine(url, pool_pre_ping=True, pool_recycle=1260)"]),
        ("queuepool", []),
        ("idle_recycle", []),  # takes a listener
        ("dispose_on_thaw", []),  # takes a handler that looks
    ],
)
def test_what_is_recommended_can_be_copied_if_arguments_are_all_it_takes(
    strategy: str, written: list[str]
) -> None:
    assert [said.split("`")[1] for said in _written(STRATEGIES[strategy])] == written


def test_gaps_on_one_side_of_the_timeout_weigh_nothing(tmp_path: Path) -> None:
    beyond = small_campaign(tmp_path / "beyond", gaps=(1.5,))
    assert of_campaigns([campaign("beyond", beyond)]) == ""
