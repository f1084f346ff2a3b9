"""What README opens with, from several campaigns."""

from pathlib import Path
from typing import Any

from bench.analysis.answer import answer
from bench.analysis.load import load
from bench.analysis.overview import Campaign, as_markdown
from bench.analysis.settings import split
from tests.analysis.edit import edit_rows, small_campaign


def campaign(name: str, *directories: Path) -> Campaign:
    settings = split(load(directories, mixed=True))
    return Campaign(name, tuple((setting, answer(setting)) for setting in settings))


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
    said = as_markdown([campaign("quick", drivers[0]), campaign("matrix", *drivers)]).splitlines()
    assert said[0] == "Recommended by [quick](#quick): **`pre_ping`**."
    assert said[1].startswith("It lost none of ")
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said if line.startswith("|")]
    assert table[0] == ["strategy", "warm request: commands", "ms p50 in quick", "lost requests in"]
    assert [(line[0], line[-1]) for line in table[2:]] == [
        ("queuepool", "quick, matrix 2 of 2"),
        ("pre_ping", "matrix 1 of 2"),
    ]


def test_campaigns_that_disagree_or_recommend_nobody_are_told_apart(tmp_path: Path) -> None:
    safe = small_campaign(tmp_path / "safe")
    unsafe = small_campaign(tmp_path / "unsafe", strategies=("queuepool", "recycle_late"))
    said = as_markdown([campaign("one", safe), campaign("other", unsafe)])
    assert "Recommended by [one](#one): **`pre_ping`**." in said
    assert "None is recommended by [other](#other)." in said
    assert [line.split("|")[1].strip() for line in said.splitlines() if line.startswith("|")][2:] == [
        "queuepool"
    ]


def test_gaps_on_one_side_of_the_timeout_weigh_nothing(tmp_path: Path) -> None:
    beyond = small_campaign(tmp_path / "beyond", gaps=(1.5,))
    assert as_markdown([campaign("beyond", beyond)]) == ""
