"""README, notebooks and summaries say what the rows in results/ say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from poolbench.report.load import load
from poolbench.report.page import SUMMARY, summary_of

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
CAMPAIGNS = sorted(path.parent.name for path in RESULTS.glob("*/header.json"))


def named(variable: str) -> list[str]:
    (names,) = re.findall(rf"^{variable} := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return str(names).split()


def check(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "poolbench", *arguments, "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_campaign_that_is_shown_has_results() -> None:
    assert sorted(named("SHOWN") + named("ASKED")) == CAMPAIGNS


@pytest.mark.slow
def test_readme_is_what_the_results_make_of_it() -> None:
    check("readme", *(f"results/{name}" for name in (*named("SHOWN"), "micro")))


@pytest.mark.slow
def test_notebooks_are_what_the_results_make_of_them() -> None:
    check("notebooks")


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_summaries_are_what_the_rows_make_of_them(name: str) -> None:
    kept = json.loads((RESULTS / name / SUMMARY).read_text())
    assert summary_of(load([RESULTS / name])) == kept
