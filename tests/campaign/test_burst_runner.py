"""The runner of bursts on a fake clock: everything of a cell at once, cells in turn, nothing left behind."""

import itertools
import threading
from pathlib import Path
from typing import Any

import pytest

from poolbench.campaign.engine import CampaignStopped, Engine, Progress
from poolbench.campaign.invoker import Reply
from poolbench.campaign.journal import Journal
from poolbench.campaign.plan import Burst, Campaign, Factors
from poolbench.campaign.schedule import STOP_BURSTS_AFTER as DOWN_AFTER
from poolbench.campaign.schedule import TRIES, lead_s, plan_bursts
from poolbench.model.header import Request
from poolbench.model.invocation import InvocationAnswer
from poolbench.store import FileStore, StoreError
from tests.campaign.fakes import FakeClock, reply

CAMPAIGN = Campaign(
    name="t",
    description="",
    seed=3,
    idle_client_timeout_s=10.0,
    factors=Factors(
        strategies=("queuepool", "nullpool"),
        failures=("idle_close", "direct"),
        environments=(1, 5),
        threads=(3,),
    ),
    request=Request(requests=2),
    burst=Burst(tail_timeouts=1.5),
)


class FakeFleet:
    """Environments that are given out as Lambda does: the one used last first, none that is busy.

    All who are called for the same moment meet there; `sharing` lets two of them have one environment.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.calls: list[dict[str, Any]] = []
        self.sharing = 0  # bursts yet in which that happens
        self.outcome = "ok"
        self.hidden: set[str] = set()  # environments that are asked to forget only when all are
        self._lock = threading.Lock()
        self._waiting: dict[int, int] = {}

    def invoke(self, function: str, event: dict[str, Any]) -> Reply:
        with self._lock:
            self.calls.append(event | {"function": function, "sent": self.clock.wall_ns()})
            forgetting = event.get("action") == "forget"
            moment = event["until_wall_ns"] if forgetting else event["burst"]["start_wall_ns"]
            place = self._waiting[moment] = self._waiting.get(moment, 0) + 1
            self.clock.time = max(self.clock.time, moment / 1e9)
            if forgetting:
                seen = f"env-{place}"
                return reply({"environment": f"env-{place + 90}" if seen in self.hidden else seen})
            if self.sharing and place > 1:
                self.sharing -= 1
                place = 1
            outcomes = (self.outcome,) * (event["requests"] * event["burst"]["threads"])
            answer = InvocationAnswer(
                environment=f"env-{place}", outcomes=outcomes, first_error="gone away", stored="key"
            )
            return reply(answer.as_dict())


class Run:
    """One run of bursts with everything around it faked but the store."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.fleet = FakeFleet(self.clock)
        self.journal = Journal(FileStore(folder), "t-1")
        self.progress: list[Progress] = []

    def start(self) -> None:
        engine = Engine(CAMPAIGN, self.journal, self.fleet, self.clock, self.progress.append)
        finished = self.journal.finished_cells()
        cells = [cell for cell in CAMPAIGN.cells() if cell.id not in finished]
        engine.run([plan_bursts(CAMPAIGN, cells)], ["fleet:live"], self.journal.next_attempts())

    def bursts(self) -> dict[str, list[dict[str, Any]]]:
        """Invocations by cell, in the order in which cells were run."""
        found: dict[str, list[dict[str, Any]]] = {}
        for call in self.fleet.calls:
            if "cell" in call:
                found.setdefault(call["cell"], []).append(call)
        return found


def test_all_of_a_cell_is_sent_before_any_of_it_may_begin(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.start()
    for cell in CAMPAIGN.cells():
        calls = run.bursts()[cell.id]
        assert sorted(call["sequence"] for call in calls) == list(range(cell.environments))
        (start,) = {call["burst"]["start_wall_ns"] for call in calls}
        assert {call["burst"]["threads"] for call in calls} == {cell.threads}
        assert min(call["sent"] for call in calls) == pytest.approx(
            start - lead_s(cell.environments) * 1e9, abs=2000
        )


def test_cells_take_turns_and_are_left_alone_for_the_tail(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.start()
    windows = {cell.id: run.journal.finished(cell.id).window for cell in CAMPAIGN.cells()}
    ordered = sorted(window for window in windows.values() if window)
    assert len(ordered) == len(CAMPAIGN.cells())
    assert all(one.after <= other.began for one, other in itertools.pairwise(ordered))
    for cell in CAMPAIGN.cells():
        window = windows[cell.id]
        assert window is not None
        assert window.began < window.start <= window.ended
        assert (window.after - window.ended) / 1e9 == pytest.approx(0 if cell.baseline else 15, abs=1e-3)
    assert run.progress[-1].done == run.progress[-1].total == sum(c.environments for c in CAMPAIGN.cells())
    assert run.clock.time - 100 == pytest.approx(plan_bursts(CAMPAIGN, CAMPAIGN.cells()).estimate_s, rel=0.01)


def test_every_environment_of_a_cell_is_asked_to_forget_it(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.start()
    asked = [list(group) for _, group in itertools.groupby(run.fleet.calls, key=lambda c: "cell" in c)]
    for burst, forgetting in zip(asked[::2], asked[1::2], strict=True):
        assert len(forgetting) == len(burst)


def test_an_environment_that_was_not_asked_is_found_among_the_whole_fleet(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.fleet.hidden = {"env-1"}
    with pytest.raises(CampaignStopped, match="1 environments of the fleet could not be asked to close"):
        run.start()
    forgetting = [call for call in run.fleet.calls if "cell" not in call]
    burst = [call for call in run.fleet.calls if "cell" in call]
    assert len(forgetting) == len(burst) + CAMPAIGN.fleet


def test_a_cell_whose_invocations_shared_an_environment_is_run_again_with_more_patience(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path)
    run.fleet.sharing = 1
    run.start()
    (cell,) = [cell for cell, calls in run.bursts().items() if {call["attempt"] for call in calls} == {0, 1}]
    first, second = (
        [call for call in run.bursts()[cell] if call["attempt"] == attempt] for attempt in (0, 1)
    )
    waits = [calls[0]["burst"]["start_wall_ns"] - calls[0]["sent"] for calls in (first, second)]
    assert waits[1] == pytest.approx(2 * waits[0], rel=0.01)
    assert run.journal.read(f"cells/{cell}")["attempt"] == 1


def test_a_fleet_that_is_too_small_is_named_with_the_cure(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.fleet.sharing = 1000
    message = (
        rf"invocations did not each have an environment of the fleet to itself, in {TRIES} tries: .* of 5"
    )
    with pytest.raises(CampaignStopped, match=message):
        run.start()


def test_an_interrupted_campaign_goes_on_with_the_cells_that_are_left(tmp_path: Path) -> None:
    first = Run(tmp_path)
    invoke = first.fleet.invoke

    def interrupting(function: str, event: dict[str, Any]) -> Reply:
        if "cell" in event:
            key = f"t-1/rows/{event['cell']}/{event['attempt']}-{event['sequence']:05d}.jsonl"
            first.journal.store.put_new(key, b"")
        answer = invoke(function, event)
        if "cell" in event and len(first.fleet.calls) >= 20:
            raise KeyboardInterrupt
        return answer

    first.fleet.invoke = interrupting  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.start()
    finished = first.journal.finished_cells()
    begun = set(first.bursts()) - finished
    assert begun
    second = Run(tmp_path)
    second.start()
    assert not set(second.bursts()) & finished
    attempts = {cell: {call["attempt"] for call in calls} for cell, calls in second.bursts().items()}
    assert {cell for cell, found in attempts.items() if found == {1}} == begun
    assert second.journal.finished_cells() == {cell.id for cell in CAMPAIGN.cells()}


def test_a_database_that_is_gone_ends_the_campaign_with_its_last_words(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.fleet.outcome = "error"
    with pytest.raises(CampaignStopped, match=f"{DOWN_AFTER} bursts in a row, the last said: gone away"):
        run.start()
    assert run.journal.finished_cells() == {cell.id for cell in CAMPAIGN.cells() if cell.baseline} & set(
        run.bursts()
    )


def test_what_was_lost_while_the_proxy_was_gone_is_measured_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    invoke = run.fleet.invoke

    def answers_without_proxy(function: str, event: dict[str, Any]) -> Reply:
        run.fleet.outcome = "ok" if event.get("endpoint") == "database" else "error"
        return invoke(function, event)

    run.fleet.invoke = answers_without_proxy  # type: ignore[method-assign]
    with pytest.raises(CampaignStopped):
        run.start()
    lost = {cell.id for cell in CAMPAIGN.cells() if cell.endpoint != "database" and not cell.baseline}
    assert len(lost & set(run.bursts())) == DOWN_AFTER
    assert not lost & run.journal.finished_cells()


def test_a_cell_that_loses_everything_counts_if_another_does_not(tmp_path: Path) -> None:
    run = Run(tmp_path)
    invoke = run.fleet.invoke
    lossy = [cell.id for cell in CAMPAIGN.cells() if not cell.baseline][:2]

    def loses(function: str, event: dict[str, Any]) -> Reply:
        run.fleet.outcome = "error" if event.get("cell") in lossy else "ok"
        return invoke(function, event)

    run.fleet.invoke = loses  # type: ignore[method-assign]
    run.start()
    assert run.journal.finished_cells() == {cell.id for cell in CAMPAIGN.cells()}


def test_a_store_that_refuses_ends_the_campaign_and_says_what_is_safe(tmp_path: Path) -> None:
    class Full(FileStore):
        def put_new(self, key: str, _data: bytes) -> bool:
            raise StoreError(f"store {self.url}: cannot write {key}: No space left on device")

    run = Run(tmp_path)
    run.journal = Journal(Full(tmp_path), "t-1")
    with pytest.raises(CampaignStopped, match=r"No space left on device; .* --resume measures that cell"):
        run.start()
    assert run.bursts()
