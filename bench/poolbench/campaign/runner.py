"""Runs the schedule: waits overlap, measurements take turns."""

import contextlib
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from poolbench.campaign.clock import Clock
from poolbench.campaign.failures import MODES, When
from poolbench.campaign.invoker import Invoker
from poolbench.campaign.journal import Journal
from poolbench.campaign.plan import Campaign
from poolbench.campaign.schedule import WINDOW_S, Lane, Step
from poolbench.campaign.turn import FunctionBroken, Turn, finish_cell, invocation_of, take_turn
from poolbench.function.record import Role
from poolbench.store import StoreError

# Lanes with equal gaps that start together stay together, and then queue for their turns.
STAGGER_S = 3 * WINDOW_S
DOWN_AFTER = 20  # invocations in a row in which no request to the database succeeded


Switch = Callable[[str, bool], None]  # a failure's name, and whether it is there from now on


class CampaignStopped(Exception):
    """The campaign cannot go on; what was measured is in the store. The message says why."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is."""

    done: int  # invocations
    total: int
    left_s: float  # by the plan
    lost: int  # requests that failed or hung so far, priming ones not counted


@dataclass(slots=True)
class _LaneState:
    function: str
    steps: Sequence[Step]
    left_s: float
    next: int = 0
    environment: str = ""

    def advance(self) -> None:
        self.left_s -= self.steps[self.next].wait_s + WINDOW_S
        self.next += 1


@dataclass(slots=True)
class _CellState:
    attempt: int
    left: int
    invocations: list[dict[str, Any]] = field(default_factory=list)


class Runner:
    """One run of a campaign's unfinished cells.

    A single thread serves a queue of due times, so no two measured windows can overlap, while the gaps of
    all lanes run side by side. The gap of a lane starts when its last invocation was answered.
    """

    def __init__(
        self,
        campaign: Campaign,
        journal: Journal,
        invoker: Invoker,
        clock: Clock,
        on_progress: Callable[[Progress], None],
        *,
        switch: Switch | None = None,
    ) -> None:
        """Set up; nothing happens before `run`."""
        self._switch = switch
        self._campaign, self._journal = campaign, journal
        self._invoker, self._clock, self._on_progress = invoker, clock, on_progress
        # By whether they go to the database directly, which may be there when the proxy is not.
        self._unanswered_in_a_row = {True: 0, False: 0}
        self._complete: dict[bool, list[tuple[str, _CellState]]] = {True: [], False: []}  # and not filed yet
        self._lost = 0

    def run(self, lanes: Sequence[Lane], functions: Sequence[str], attempts: Mapping[str, int]) -> None:
        """Run every step of every lane, each lane on its function.

        Args:
            lanes: what to do.
            functions: the functions to call, at least as many as lanes; `name:alias`.
            attempts: for cells that were begun before, the number of this attempt.

        Raises:
            CampaignStopped: the database stopped answering, the function is broken, or what an invocation
                brought can be stored neither by the function nor from here.
            InvokeFailed: the Lambda service stopped answering.

        """
        states = [
            _LaneState(name, lane.steps, lane.estimate_s)
            for lane, name in zip(lanes, functions, strict=False)
        ]
        counts: dict[str, int] = {}
        for step in (step for lane in lanes for step in lane.steps):
            counts[step.cell.id] = counts.get(step.cell.id, 0) + 1
        cells = {cell: _CellState(attempts.get(cell, 0), left) for cell, left in counts.items()}
        total, done = sum(counts.values()), 0
        start = self._clock.monotonic()
        queue = [(start + index * STAGGER_S, index) for index, state in enumerate(states) if state.steps]
        heapq.heapify(queue)
        while queue:
            due, index = heapq.heappop(queue)
            lane = states[index]
            step = lane.steps[lane.next]
            self._clock.sleep_until(due)
            with self._failing(step):
                self._invoke(lane, step, due, cells[step.cell.id])
            lane.advance()
            done += 1
            if lane.next < len(lane.steps):
                heapq.heappush(queue, (self._clock.monotonic() + lane.steps[lane.next].wait_s, index))
            left_s = max((total - done) * WINDOW_S, *(state.left_s for state in states))
            self._on_progress(Progress(done, total, left_s, self._lost))
        for direct in self._complete:
            self._finish_cells(direct)

    @contextlib.contextmanager
    def _failing(self, step: Step) -> Iterator[None]:
        """Bring about the cell's failure, if that needs somebody to do it."""
        mode = MODES[step.cell.failure]
        if self._switch is None or mode.when is When.ALWAYS or step.role is Role.PRIME or step.cell.control:
            yield
            return
        self._switch(mode.name, True)
        try:
            if mode.when is When.IN_THE_GAP:
                self._switch(mode.name, False)
            yield
        finally:
            if mode.when is When.AT_THE_REQUEST:
                self._switch(mode.name, False)

    def _invoke(self, lane: _LaneState, step: Step, due: float, cell: _CellState) -> None:
        late_ns = round((self._clock.monotonic() - due) * 1e9)
        due_ns = self._clock.wall_ns() - late_ns
        invocation = invocation_of(self._campaign, self._journal, step, cell.attempt, due_ns)
        direct = MODES[step.cell.failure].direct
        try:
            turn = take_turn(
                invocation,
                lane.function,
                lane.environment,
                invoker=self._invoker,
                store=self._journal.store,
                clock=self._clock,
            )
            lane.environment = turn.environment
            cell.invocations.append(turn.record)
            cell.left -= 1
            if cell.left == 0:
                self._complete[direct].append((invocation.cell, cell))
            self._watch(step, turn)
            if not self._unanswered_in_a_row[direct]:
                self._finish_cells(direct)
        except FunctionBroken as error:
            raise CampaignStopped(str(error)) from error
        except StoreError as error:
            raise CampaignStopped(
                f"{error}; all that was stored before is safe there, but not invocation {step.sequence} of "
                f"cell {step.cell.id}: once the store is mended, --resume measures that cell again"
            ) from error

    def _finish_cells(self, direct: bool) -> None:
        """File the cells that are complete.

        Not while every request is lost: if the database turns out to be down, --resume measures them again.
        """
        for cell_id, cell in self._complete[direct]:
            finish_cell(self._journal, cell_id, cell.attempt, cell.invocations)
        self._complete[direct].clear()

    def _watch(self, step: Step, turn: Turn) -> None:
        """Count losses, and end the campaign when nothing but losses comes back."""
        if step.cell.control:
            return
        self._lost += turn.lost
        mode = MODES[step.cell.failure]
        if step.role is Role.MEASURE and mode.when is When.AT_THE_REQUEST:
            return  # that everything is lost then is what it is about
        in_a_row = self._unanswered_in_a_row
        in_a_row[mode.direct] = in_a_row[mode.direct] + 1 if turn.lost == len(turn.outcomes) else 0
        if in_a_row[mode.direct] >= DOWN_AFTER:
            raise CampaignStopped(
                f"no request has succeeded in {DOWN_AFTER} invocations in a row, "
                f"the last said: {turn.last_error}"
            )
