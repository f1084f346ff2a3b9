"""How far a deployed campaign is, from its results as they come."""

import json
import time
from collections.abc import Callable

from poolbench.aws.account import Account, AwsFailed, explained
from poolbench.aws.lane_plan import LanePlan
from poolbench.aws.workflow import Started
from poolbench.campaign.engine import CampaignStopped, Progress
from poolbench.campaign.journal import Journal
from poolbench.model.row import Outcome, Role
from poolbench.store import StoreError

POLL_S = 5.0
PATIENCE = 60  # looks in a row that may fail: a laptop loses its network now and then
RUNNING, SUCCEEDED = "RUNNING", "SUCCEEDED"


def follow(
    account: Account,
    journal: Journal,
    started: Started,
    on_progress: Callable[[Progress], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Report progress until the execution ends; whoever stops listening does not stop it.

    Raises:
        CampaignStopped: it ended with cells that are not finished.
        AwsFailed: Step Functions has not answered for minutes.
        StoreError: nor has the store.

    """
    results = _Results(journal, started.session)
    client = account.client("stepfunctions")
    failures = 0
    while True:
        try:
            with explained("ask for the execution"):
                execution = client.describe_execution(executionArn=started.arn)
            on_progress(results.progress())
        except (AwsFailed, StoreError):
            failures += 1
            if failures == PATIENCE:
                raise
        else:
            failures = 0
            if execution["status"] != RUNNING:
                break
        sleep(POLL_S)
    if execution["status"] != SUCCEEDED:
        why = execution.get("cause") or execution.get("error") or "no reason given"
        raise CampaignStopped(f"the state machine ended as {execution['status']}: {why}")


class _Results:
    """What of a session's plan is in the store."""

    def __init__(self, journal: Journal, session: str) -> None:
        self._store, self._rows = journal.store, f"{journal.campaign}/rows/"
        plans = [
            LanePlan.decode(journal.store.get(key))
            for key in journal.store.list_keys(f"{journal.campaign}/lanes/{session}-")
            if not key.endswith("-done.json")
        ]
        turns = [turn for plan in plans for turn in plan.turns]
        # Controls and priming requests are not counted as failed, as in a local campaign.
        self._counts = {
            turn.invocation.visit.key: turn.invocation.visit.role is Role.MEASURE and not turn.cell.baseline
            for turn in turns
        }
        ends = [plan.starts_wall_ms / 1000 + plan.turns[-1].offset_s for plan in plans]
        self._end_s = max(ends, default=0.0)
        self._seen: set[str] = set()
        self._failed = 0

    def progress(self) -> Progress:
        """Look at what has come since the last time."""
        new = [
            key for key in self._store.list_keys(self._rows) if key in self._counts and key not in self._seen
        ]
        for key in new:
            if self._counts[key]:
                rows = [json.loads(line) for line in self._store.get(key).splitlines()]
                self._failed += sum(Outcome(row["outcome"]).failed for row in rows)
        self._seen.update(new)
        left_s = max(0.0, self._end_s - time.time())
        return Progress(len(self._seen), len(self._counts), left_s, self._failed)
