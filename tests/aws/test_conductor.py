"""The conductor: turns as the local runner takes them, and trouble that costs one cell and no more."""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from poolbench.aws import conductor
from poolbench.aws.conductor import LaneState, handler
from poolbench.aws.lane_plan import LanePlan, PlannedTurn, key_of
from poolbench.campaign.file import CampaignFile
from poolbench.campaign.header import make_header
from poolbench.campaign.invoker import TIMED_OUT, InvokeFailed
from poolbench.campaign.journal import Journal
from poolbench.campaign.plan import Campaign, Factors, Repetition
from poolbench.campaign.schedule import STOP_GAPS_AFTER as DOWN_AFTER
from poolbench.campaign.schedule import plan_lanes
from poolbench.campaign.turn import invocation_of
from poolbench.model.columns import unflat
from poolbench.model.header import SamplingTally
from poolbench.model.row import Outcome, Row
from poolbench.store import FileStore
from poolbench.typed import build
from tests.campaign.fakes import FakeClock, FakeFunction, answer, reply
from tests.campaign.stored import DESCRIBED, TARGET

ID = "t-20261123T120000Z-abcd"


class Context:
    """Lambda's, with as much time as wanted."""

    def __init__(self, left_s: float = 900.0) -> None:
        self.left_s = left_s

    def get_remaining_time_in_millis(self) -> int:
        return round(self.left_s * 1000)


class Deployment:
    """A lane of a campaign with a conductor that calls a fake function."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, gaps: tuple[float, ...], rounds: int
    ) -> None:
        self.campaign = Campaign(
            name="t",
            description="",
            seed=3,
            idle_client_timeout_s=10.0,
            factors=Factors(strategies=("queuepool",), gaps_s=gaps),
            repetition=Repetition(lanes=1, rounds=rounds),
        )
        self.function = FakeFunction(FakeClock())
        self.journal = Journal(FileStore(folder), ID)
        monkeypatch.setattr(conductor, "_invoker", lambda _timeout_s: self.function)
        (lane,) = plan_lanes(self.campaign, self.campaign.cells())
        self.plan = LanePlan(
            function="lane-00:live",
            function_timeout_s=60,
            starts_wall_ms=time.time_ns() // 1_000_000,
            turns=tuple(
                PlannedTurn(
                    invocation=invocation_of(self.campaign, self.journal, send, send.sequence),
                    wait_s=send.wait_s,
                    offset_s=0,
                    cell=send.cell,
                )
                for send in lane.sends({})
            ),
        )
        header = make_header(ID, CampaignFile.load("smoke"), TARGET, DESCRIBED)
        self.journal.write("header", replace(header, cells=self.campaign.cells()).as_dict())
        self.store_plan()

    def store_plan(self) -> None:
        key = key_of(ID, "000", 0)
        (self.journal.store.root / key).unlink(missing_ok=True)  # type: ignore[attr-defined]
        self.journal.store.put_new(key, self.plan.encode())
        conductor._plan.cache_clear()
        self.state = LaneState(store=self.journal.store.url, campaign=ID, session="000", lane=0)

    def turn(self, left_s: float = 900.0) -> dict[str, Any]:
        """One call of the conductor; its answer's state."""
        event = {"action": "turn", "conductor": "c:live", "state": asdict(self.state)}
        answered = json.loads(json.dumps(handler(event, Context(left_s))))
        assert {key: answered[key] for key in ("action", "conductor")} == {
            "action": "turn",
            "conductor": "c:live",
        }
        self.state = build(LaneState, answered["state"])
        state: dict[str, Any] = answered["state"]
        return state

    def run(self) -> list[int]:
        """All turns, without waiting; the waits that were asked for."""
        waits = []
        while self.turn()["more"]:
            waits.append(self.state.wait_s)
        return waits

    def finish(self, **more: Any) -> dict[str, Any]:
        event = {
            "action": "finish",
            "store": self.journal.store.url,
            "campaign": ID,
            "session": "000",
            "started_wall_ms": 1000,
            "lanes": [{"state": asdict(self.state)}],
            "sampling": {"number": 10_007, "samples": 5},
            "failure": None,
        }
        return handler(event | more, Context())


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    return Deployment(tmp_path, monkeypatch, gaps=(0.0, 7.5), rounds=2)


def test_events_are_the_runners_and_all_cells_end_finished(deployment: Deployment) -> None:
    waits = deployment.run()
    sent = [event for _, _, _, event in deployment.function.calls]
    expected = [turn.invocation.as_dict() for turn in deployment.plan.turns]
    clocks = {"due_wall_ns": 0, "sent_wall_ns": 0}
    assert [event | clocks for event in sent] == expected
    assert all(event["sent_wall_ns"] > 10**18 for event in sent)
    # 3 cells x 2 rounds with a gap of 7.5 s, which a Wait state can only round up; without a gap no wait.
    assert waits == [8] * 6
    cells = {cell.id for cell in deployment.campaign.cells()}
    assert deployment.journal.finished_cells() == cells
    for cell in cells:
        content = deployment.journal.read(f"cells/{cell}")
        assert [one["sequence"] for one in content["invocations"]] == [0, 1, 2, 3]
        assert {one["function"] for one in content["invocations"]} == {"lane-00:live"}
    assert deployment.finish() == {"how": "finished"}
    session = deployment.journal.read("sessions/000")
    assert (session["how"], session["sampling"], session["started_wall_ns"]) == (
        "finished",
        asdict(SamplingTally(samples=5)),
        10**9,
    )


def test_a_gap_runs_from_the_last_answer_or_until_the_planned_moment(deployment: Deployment) -> None:
    turns = [replace(turn, offset_s=600 if turn.wait_s else 0) for turn in deployment.plan.turns]
    deployment.plan = replace(deployment.plan, turns=tuple(turns))
    deployment.store_plan()
    assert deployment.turn()["wait_s"] in (599, 600)
    assert deployment.state.due_wall_ms == deployment.plan.starts_wall_ms + 600_000


def test_a_conductor_that_runs_out_of_time_goes_on_in_its_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = Deployment(tmp_path, monkeypatch, gaps=(0.0,), rounds=1)
    calls = 0
    while deployment.turn(left_s=60)["more"]:
        calls += 1
        assert deployment.state.wait_s == 0
    assert calls == len(deployment.plan.turns) - 1
    assert len(deployment.journal.finished_cells()) == 3


def test_a_broken_function_costs_its_cell_and_the_reason_is_told(deployment: Deployment) -> None:
    bad = deployment.plan.turns[0].cell.id
    broken = reply({"errorMessage": "no module"}, "Runtime.ImportModuleError")
    deployment.function.answers = lambda event: broken if event["cell"] == bad else answer("ok", "ok")
    deployment.run()
    cells = {cell.id for cell in deployment.campaign.cells()}
    assert deployment.journal.finished_cells() == cells - {bad}
    assert [event["cell"] for *_, event in deployment.function.calls].count(bad) == 1
    how = deployment.finish()["how"]
    assert how.startswith("stopped: 1 cells are not finished")
    assert f"{bad}: the function failed: Runtime.ImportModuleError: no module" in how


def test_a_lambda_service_that_refuses_costs_the_cell(deployment: Deployment) -> None:
    bad = deployment.plan.turns[0].cell.id

    def refuse(event: dict[str, Any]) -> Any:
        if event["cell"] == bad:
            raise InvokeFailed("function lane-00:live: ResourceNotFoundException: gone")
        return answer("ok", "ok")

    deployment.function.answers = refuse
    deployment.run()
    assert deployment.state.abandoned == {bad: "function lane-00:live: ResourceNotFoundException: gone"}
    assert len(deployment.journal.finished_cells()) == 5


def test_an_environment_that_was_killed_is_a_row_and_not_the_end(deployment: Deployment) -> None:
    killed = reply({"errorMessage": "Task timed out after 60.00 seconds"}, TIMED_OUT)
    deployment.function.answers = lambda event: killed if event["sequence"] == 1 else answer("ok", "ok")
    deployment.run()
    assert len(deployment.journal.finished_cells()) == 6
    store = deployment.journal.store
    rows = [
        unflat(Row, json.loads(line))
        for key in store.list_keys(f"{ID}/rows/")
        for line in store.get(key).splitlines()
    ]
    assert [row.outcome for row in rows] == [Outcome.HANG] * 6
    assert {row.environment for row in rows} == {"env"}


def test_a_database_that_is_down_ends_the_lane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment(tmp_path, monkeypatch, gaps=(0.0, 7.5), rounds=30)
    down = answer("error", "error", error="cannot connect")
    deployment.function.answers = lambda event: answer("ok") if event["label"] == "no_database" else down
    deployment.run()
    lost = [event for *_, event in deployment.function.calls if event["label"] != "no_database"]
    assert len(lost) == DOWN_AFTER
    how = deployment.finish()["how"]
    assert (
        f"no request has succeeded in {DOWN_AFTER} invocations in a row, the last said: cannot connect" in how
    )


def test_a_machine_that_was_cut_off_leaves_word_too_and_only_once(deployment: Deployment) -> None:
    failure = {"Error": "States.Timeout", "Cause": "x"}
    first = deployment.finish(lanes=[], failure=failure)
    assert first["how"].startswith("stopped: 6 cells are not finished")
    assert "States.Timeout" in first["how"]
    assert deployment.finish(lanes=[], failure=failure) == first


def test_the_mark_that_ends_the_sampling(deployment: Deployment) -> None:
    event = {"action": "lanes_done", "store": deployment.journal.store.url, "campaign": ID, "session": "000"}
    assert handler(event, Context()) == handler(event, Context()) == {}
    assert f"{ID}/lanes/000-done.json" in list(deployment.journal.store.list_keys(f"{ID}/lanes/"))


def test_another_action_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown action 'dance': turn, lanes_done or finish"):
        handler({"action": "dance"}, Context())
