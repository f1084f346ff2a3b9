"""infra/README.md says what the commands and the template say."""

import functools
import re

import pytest
from click.testing import CliRunner

from poolbench.aws.pack import INFRA
from poolbench.cli.main import poolbench
from tests.infra.conftest import Expanded

README = (INFRA / "README.md").read_text()


@functools.cache
def plan(name: str) -> str:
    where = {"COLUMNS": "100", "AWS_DEFAULT_REGION": "us-east-1"}
    done = CliRunner(env=where).invoke(poolbench, ["plan", name, "--target", "aws"])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_plan_of_the_faithful_campaign_is_what_is_shown() -> None:
    (shown,) = re.findall(r"    \$ poolbench plan aws-faithful --target aws\n((?:    .*\n)+)", README)
    lines = [line[4:].rstrip() for line in shown.splitlines()]
    assert lines == [line.rstrip() for line in plan("aws-faithful").splitlines()[-len(lines) :]]


@pytest.mark.parametrize("name", ["aws", "aws-lane", "aws-faithful"])
def test_durations_and_totals_are_the_plans(name: str) -> None:
    planned = " ".join(plan(name).split())
    (row,) = re.findall(rf"\| `{name}` \| .* \| (.*) \| (.*) USD \|", README)
    assert re.search(r"(\d+ h \d+ min) with", planned)[1] == row[0]  # type: ignore[index]
    assert re.search(r"in all │ │ │ (\S+) │", planned)[1] == row[1]  # type: ignore[index]


@pytest.mark.slow
def test_every_parameter_is_explained(expanded: Expanded) -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (.*?) *\|", README, re.MULTILINE))
    parameters = expanded.template["Parameters"]
    defaults = {name: str(one.get("Default", "")) or "none" for name, one in parameters.items()}
    defaults |= dict.fromkeys(("DeleteAt", "ZoneA", "ZoneB"), "")  # those that have to be given
    assert {name: told[name] for name in parameters} == defaults
