"""The runner on a fake clock: gaps are kept, windows never overlap, and trouble is filed, not lost."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolbench.campaign.engine import CampaignStopped, Engine, Progress
from poolbench.campaign.journal import Journal
from poolbench.campaign.plan import Campaign, Factors, Repetition
from poolbench.campaign.schedule import STOP_GAPS_AFTER as DOWN_AFTER
from poolbench.campaign.schedule import expected_s, plan_lanes
from poolbench.model.columns import unflat
from poolbench.model.header import Request
from poolbench.model.row import Outcome, Row
from poolbench.store import FileStore, StoreError
from tests.campaign.fakes import FakeClock, FakeFunction, answer, reply


def make_campaign(
    gaps: tuple[float, ...] = (0.5, 2.0), lanes: int = 4, failures: tuple[str, ...] = ("idle_close",)
) -> Campaign:
    return Campaign(
        name="t",
        description="",
        seed=3,
        idle_client_timeout_s=10.0,
        factors=Factors(strategies=("queuepool", "nullpool"), gaps=gaps, failures=failures),
        request=Request(requests=2),
        repetition=Repetition(lanes=lanes, rounds=2, gaps_per_round=2),
    )


class Run:
    """One run of a campaign with everything around it faked but the store."""

    def __init__(self, folder: Path, campaign: Campaign, **function: Any) -> None:
        self.clock = FakeClock()
        self.function = FakeFunction(self.clock, **function)
        self.journal = Journal(FileStore(folder), "t-1")
        self.campaign = campaign
        self.progress: list[Progress] = []
        self.lanes = plan_lanes(campaign, campaign.cells())

    def start(self, attempts: dict[str, int] | None = None) -> None:
        engine = Engine(self.campaign, self.journal, self.function, self.clock, self.progress.append)
        engine.run(self.lanes, [f"lane-{i}:live" for i in range(len(self.lanes))], attempts or {})

    def rows(self) -> list[Row]:
        store = self.journal.store
        objects = [store.get(key) for key in store.list_keys("t-1/rows/")]
        return [unflat(Row, json.loads(line)) for data in objects for line in data.splitlines()]


@settings(max_examples=25)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=4, unique=True), st.integers(1, 9))
def test_windows_take_turns_and_gaps_run_from_the_last_answer(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int], lanes: int
) -> None:
    run = Run(tmp_path_factory.mktemp("store"), make_campaign(tuple(gap / 10 for gap in gaps), lanes))
    run.start()
    windows = sorted((sent, done) for sent, done, _, _ in run.function.calls)
    assert all(done <= sent for (_, done), (sent, _) in itertools.pairwise(windows))
    gap_of = {cell.id: cell.gap_asked_s for cell in run.campaign.cells()}
    for _, calls in itertools.groupby(sorted(run.function.calls, key=lambda c: c[2]), key=lambda c: c[2]):
        for (_, done, _, _), (sent, _, _, event) in itertools.pairwise(calls):
            wait = gap_of[event["cell"]] if event["role"] == "measure" else 0.0
            assert sent >= done + wait - 1e-9
            assert event["due_wall_ns"] == pytest.approx((done + wait) * 1e9, abs=2000)


def test_the_wall_time_is_that_of_the_longest_lane(tmp_path: Path) -> None:
    run = Run(tmp_path, make_campaign(lanes=16))
    run.start()
    assert run.clock.time - 100 <= 1.1 * expected_s(run.lanes)


def test_every_cell_ends_with_its_invocations_filed(tmp_path: Path) -> None:
    run = Run(tmp_path, make_campaign())
    run.start()
    assert run.journal.finished_cells() == {cell.id for cell in run.campaign.cells()}
    filed = run.journal.read("cells/queuepool-2x-0")
    assert filed["attempt"] == 0
    assert [entry["sequence"] for entry in filed["invocations"]] == list(range(6))
    assert run.progress[-1].done == run.progress[-1].total == len(run.function.calls)
    assert run.progress[-1].left_s == pytest.approx(0, abs=1e-6)


def test_an_interrupted_cell_is_run_again_under_a_new_attempt(tmp_path: Path) -> None:
    campaign = make_campaign()
    calls = itertools.count()

    def interrupting(event: dict[str, Any]) -> Any:
        store.put_new(f"t-1/rows/{event['cell']}/{event['attempt']}-{event['sequence']:05d}.jsonl", b"")
        if next(calls) == 30:
            raise KeyboardInterrupt
        return answer("ok", "ok")

    first = Run(tmp_path, campaign, answers=interrupting)
    store = first.journal.store
    with pytest.raises(KeyboardInterrupt):
        first.start()
    finished, attempts = first.journal.finished_cells(), first.journal.next_attempts()
    begun = {event["cell"] for _, _, _, event in first.function.calls} - finished
    assert begun
    assert {cell for cell in attempts if cell not in finished} >= begun

    second = Run(tmp_path, campaign)
    second.lanes = plan_lanes(campaign, [cell for cell in campaign.cells() if cell.id not in finished])
    second.start(attempts)
    rerun = {(event["cell"], event["attempt"]) for _, _, _, event in second.function.calls}
    assert not {cell for cell, _ in rerun} & finished
    assert {attempt for cell, attempt in rerun if cell in begun} == {1}
    assert second.journal.finished_cells() == {cell.id for cell in campaign.cells()}


def test_a_function_killed_by_its_timeout_leaves_a_row_that_says_hang(tmp_path: Path) -> None:
    def timing_out(event: dict[str, Any]) -> Any:
        if (event["cell"], event["sequence"]) == ("queuepool-2x-0", 1):
            return reply({"errorMessage": "Task timed out after 30.00 seconds"}, "Sandbox.Timedout")
        return answer("ok", "ok")

    run = Run(tmp_path, make_campaign(), answers=timing_out)
    run.start()
    (row,) = run.rows()
    assert (row.visit.cell, row.visit.sequence, row.outcome) == ("queuepool-2x-0", 1, Outcome.HANG)
    assert row.failure.error_class == "Sandbox.Timedout"
    assert row.failure.error_message == "Task timed out after 30.00 seconds"
    assert row.latency_s == pytest.approx(0.01)


def test_rows_that_the_function_could_not_store_come_home_in_its_answer(tmp_path: Path) -> None:
    stored = Run(tmp_path / "a", make_campaign())
    stored.start()
    brought = {"cell": "x", "some": "row"}
    run = Run(
        tmp_path / "b",
        make_campaign(),
        answers=lambda _event: answer("ok", stored=None, rows=(brought,), store_error="503"),
    )
    run.start()
    keys = list(run.journal.store.list_keys("t-1/rows/"))
    assert len(keys) == len(run.function.calls)
    assert json.loads(run.journal.store.get(keys[0])) == brought


def test_a_database_that_is_gone_ends_the_campaign_with_its_last_words(tmp_path: Path) -> None:
    def dying(event: dict[str, Any]) -> Any:
        if event["strategy"] == "no_database":
            return answer("ok", "ok")
        return answer("error", "error", error="Can't connect to MySQL server")

    run = Run(tmp_path, make_campaign(), answers=dying)
    with pytest.raises(CampaignStopped, match=r"20 invocations in a row.*Can't connect to MySQL server"):
        run.start()
    to_database = [call for call in run.function.calls if call[3]["strategy"] != "no_database"]
    assert len(to_database) == DOWN_AFTER


def test_cells_that_only_saw_a_database_that_was_gone_are_not_finished(tmp_path: Path) -> None:
    calls = itertools.count()

    def dying(event: dict[str, Any]) -> Any:
        gone = next(calls) >= 12 and event["strategy"] != "no_database"
        return answer("error", "error", error="gone") if gone else answer("ok", "ok")

    run = Run(tmp_path, make_campaign(lanes=16), answers=dying)
    with pytest.raises(CampaignStopped):
        run.start()
    complete = {event["cell"] for _, _, _, event in run.function.calls if event["sequence"] == 5}
    while_gone = {
        event["cell"] for _, _, _, event in run.function.calls[12:] if event["strategy"] != "no_database"
    }
    assert complete & while_gone
    assert run.journal.finished_cells() & while_gone == set()


def test_a_proxy_that_is_gone_is_noticed_where_others_reach_the_database_without_it(tmp_path: Path) -> None:
    def without_proxy(event: dict[str, Any]) -> Any:
        if event["endpoint"] == "database" or event["strategy"] == "no_database":
            return answer("ok", "ok")
        return answer("error", "error", error="gone")

    campaign = make_campaign(failures=("idle_close", "wait_timeout"))
    run = Run(tmp_path, campaign, answers=without_proxy)
    with pytest.raises(CampaignStopped, match="the last said: gone"):
        run.start()
    lost = {cell.id for cell in campaign.cells() if cell.endpoint != "database" and not cell.baseline}
    assert not lost & run.journal.finished_cells()


def test_an_outage_that_ends_belongs_to_the_cells_that_it_met(tmp_path: Path) -> None:
    calls = itertools.count()

    def away(_event: dict[str, Any]) -> Any:
        return answer("error", "error") if 25 <= next(calls) < 40 else answer("ok", "ok")

    run = Run(tmp_path, make_campaign(), answers=away)
    run.start()
    assert run.journal.finished_cells() == {cell.id for cell in run.campaign.cells()}


def test_one_lost_request_among_good_ones_is_no_reason_to_stop(tmp_path: Path) -> None:
    run = Run(tmp_path, make_campaign(), answers=lambda _event: answer("error", "ok"))
    run.start()
    assert run.progress[-1].failed == sum(call[3]["strategy"] != "no_database" for call in run.function.calls)


def test_a_broken_function_is_named_not_recorded_as_a_lost_request(tmp_path: Path) -> None:
    broken = reply({"errorMessage": "POOLBENCH_PROXY_ENDPOINT is '', not host:port"}, "BadConfiguration")
    run = Run(tmp_path, make_campaign(), answers=lambda _event: broken)
    with pytest.raises(CampaignStopped, match="BadConfiguration: POOLBENCH_PROXY_ENDPOINT"):
        run.start()
    assert run.rows() == []


class FullStore(FileStore):
    """Takes so many objects."""

    room = 10

    def put_new(self, key: str, data: bytes) -> bool:
        if self.room == 0:
            raise StoreError(f"store {self.url}: cannot write {key}: No space left on device")
        self.room -= 1
        return super().put_new(key, data)


def test_rows_that_can_be_stored_nowhere_stop_the_campaign_which_says_what_is_safe(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        make_campaign(),
        answers=lambda _event: answer("ok", stored=None, rows=({"some": "row"},), store_error="full"),
    )
    run.journal = Journal(FullStore(tmp_path), "t-1")
    with pytest.raises(CampaignStopped, match=r"No space left on device; all that was stored before is safe"):
        run.start()
    stored = list(run.journal.store.list_keys("t-1/"))
    assert (len(stored), len(run.function.calls)) == (10, 11 - len(run.journal.finished_cells()))
