"""Progress is read from the results, and whoever reads it hears how it ended."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from poolbench.aws.account import AwsFailed
from poolbench.aws.follow import PATIENCE, follow
from poolbench.aws.lane_plan import LanePlan, PlannedTurn, key_of
from poolbench.aws.workflow import Started
from poolbench.campaign.engine import CampaignStopped, Progress
from poolbench.campaign.file import CampaignFile
from poolbench.campaign.journal import Journal
from poolbench.campaign.schedule import plan_lanes
from poolbench.campaign.turn import invocation_of
from poolbench.store import FileStore

STARTED = Started("000", "arn:aws:states:us-east-1:123456789012:execution:poolbench-campaign:t-000")
AWAY: dict[str, str] = {}


class Account:
    """Step Functions that goes on as it is told, and at each look has a few more rows in the store."""

    def __init__(
        self, journal: Journal, statuses: list[dict[str, str]], rows: Iterator[tuple[str, str]]
    ) -> None:
        self.journal, self.statuses, self.rows = journal, statuses, rows

    def client(self, _service: str) -> "Account":
        return self

    def describe_execution(self, executionArn: str) -> dict[str, str]:  # noqa: N803 (boto3's)
        assert executionArn == STARTED.arn
        if self.statuses[0] == AWAY:
            self.statuses.pop(0)
            raise EndpointConnectionError(endpoint_url="https://states.us-east-1")
        for key, outcome in [next(self.rows) for _ in range(4)]:
            self.journal.store.put_new(key, json.dumps({"outcome": outcome}).encode())
        return self.statuses.pop(0)


def watched(folder: Path, statuses: list[dict[str, str]]) -> list[Progress]:
    journal = Journal(FileStore(folder), "t-20261123T120000Z-abcd")
    campaign = CampaignFile.load("smoke").campaign
    lanes = plan_lanes(campaign, campaign.cells())
    planned: list[PlannedTurn] = []
    for number, lane in enumerate(lanes):
        turns = tuple(
            PlannedTurn(
                invocation=invocation_of(campaign, journal, send, send.sequence),
                wait_s=send.wait_s,
                offset_s=0,
                cell=send.cell,
            )
            for send in lane.sends({})
        )
        plan = LanePlan(function="f:live", function_timeout_s=60, starts_wall_ms=0, turns=turns)
        journal.store.put_new(key_of(journal.campaign, "000", number), plan.encode())
        planned += turns
    journal.write("lanes/000-done", {})
    lost = (turn for turn in planned if turn.invocation.visit.role == "measure" and not turn.cell.baseline)
    # One that counts as lost, two that do not, and one that was kept, at each look.
    primes = (turn for turn in planned if turn.invocation.visit.role == "prime")
    controls = (turn for turn in planned if turn.cell.baseline and turn.invocation.visit.role == "measure")
    rows = (
        (next(source).invocation.visit.key, outcome)
        for _ in range(9)
        for source, outcome in ((lost, "hang"), (primes, "error"), (controls, "error"), (lost, "ok"))
    )
    progress: list[Progress] = []
    account: Any = Account(journal, statuses, rows)
    follow(account, journal, STARTED, progress.append, sleep=lambda _seconds: None)
    return progress


def test_rows_are_counted_as_they_come_and_losses_as_in_the_lab(tmp_path: Path) -> None:
    statuses = [{"status": "RUNNING"}, {"status": "RUNNING"}, {"status": "SUCCEEDED"}]
    progress = watched(tmp_path, statuses)
    assert [(one.done, one.failed) for one in progress] == [(4, 1), (8, 2), (12, 3)]
    assert {one.total for one in progress} == {72}


def test_a_network_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    statuses = [{"status": "RUNNING"}, *[AWAY] * (PATIENCE - 1), {"status": "SUCCEEDED"}]
    assert [one.done for one in watched(tmp_path, statuses)] == [4, 8]


def test_a_network_that_stays_away_is_said(tmp_path: Path) -> None:
    with pytest.raises(AwsFailed, match="cannot ask for the execution: Could not connect"):
        watched(tmp_path, [{"status": "RUNNING"}, *[AWAY] * PATIENCE])


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (
            {"status": "FAILED", "error": "Unfinished", "cause": "stopped: 3 cells"},
            "as FAILED: stopped: 3 cells",
        ),
        ({"status": "ABORTED"}, "as ABORTED: no reason given"),
    ],
)
def test_an_end_that_is_none_is_told_with_its_reason(tmp_path: Path, end: dict[str, str], said: str) -> None:
    with pytest.raises(CampaignStopped, match=said):
        watched(tmp_path, [{"status": "RUNNING"}, end])


def test_an_execution_that_left_nothing_but_plans_has_used_its_name(tmp_path: Path) -> None:
    journal = Journal(FileStore(tmp_path), "t-1")
    assert journal.next_session() == "000"
    journal.write("lanes/004-000", {})
    journal.write("sessions/002", {})
    assert journal.next_session() == "005"
