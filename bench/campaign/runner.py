"""Runs the schedule: waits overlap, measurements take turns."""

import contextlib
import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.campaign.clock import Clock
from bench.campaign.invoker import Invoker, Reply
from bench.campaign.journal import Journal
from bench.campaign.plan import Campaign, Cell
from bench.campaign.schedule import WINDOW_S, Lane, Step
from bench.campaign.unanswered import ENVIRONMENT_LOST, row_of_unanswered
from bench.function.invocation import Invocation, encode_rows
from bench.function.record import Outcome
from bench.store import Conflict, StoreError

# Lanes with equal gaps that start together stay together, and then queue for their turns.
STAGGER_S = 3 * WINDOW_S
DOWN_AFTER = 20  # invocations in a row in which no request to the database succeeded


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
    ) -> None:
        """Set up; nothing happens before `run`."""
        self._campaign, self._journal = campaign, journal
        self._invoker, self._clock, self._on_progress = invoker, clock, on_progress
        self._unanswered_in_a_row = 0
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
            self._invoke(lane, step, due, cells[step.cell.id])
            lane.advance()
            done += 1
            if lane.next < len(lane.steps):
                heapq.heappush(queue, (self._clock.monotonic() + lane.steps[lane.next].wait_s, index))
            left_s = max((total - done) * WINDOW_S, *(state.left_s for state in states))
            self._on_progress(Progress(done, total, left_s, self._lost))

    def _invoke(self, lane: _LaneState, step: Step, due: float, cell: _CellState) -> None:
        sent, sent_ns = self._clock.monotonic(), self._clock.wall_ns()
        invocation = self._invocation(step, cell.attempt, sent_ns - round((sent - due) * 1e9), sent_ns)
        reply = self._invoker.invoke(lane.function, invocation.as_dict())
        done_ns = self._clock.wall_ns()
        try:
            outcomes = self._file(invocation, reply, lane, cell, done_ns)
        except StoreError as error:
            raise CampaignStopped(
                f"{error}; all that was stored before is safe there, but not invocation {step.sequence} of "
                f"cell {step.cell.id}: once the store is mended, --resume measures that cell again"
            ) from error
        self._watch(step.cell, outcomes, reply)

    def _file(
        self, invocation: Invocation, reply: Reply, lane: _LaneState, cell: _CellState, done_ns: int
    ) -> Sequence[str]:
        """Store what the function could not, and the cell if it is finished; the requests' outcomes."""
        outcomes: Sequence[str]
        if reply.function_error:
            outcomes = self._file_unanswered(invocation, reply, lane.environment, done_ns)
        else:
            lane.environment = reply.payload["environment"]
            outcomes = reply.payload["outcomes"]
            if reply.payload["stored"] is None:
                self._journal.store.put_new(invocation.key, encode_rows(reply.payload["rows"]))
        cell.invocations.append(_record(invocation, lane, reply, done_ns))
        cell.left -= 1
        if cell.left == 0:
            content = {"cell": invocation.cell, "attempt": cell.attempt, "invocations": cell.invocations}
            self._journal.write(f"cells/{invocation.cell}", content)
        return outcomes

    def _invocation(self, step: Step, attempt: int, due_ns: int, sent_ns: int) -> Invocation:
        request = self._campaign.request
        return Invocation(
            campaign=self._journal.campaign,
            cell=step.cell.id,
            attempt=attempt,
            sequence=step.sequence,
            round=step.round,
            role=step.role,
            strategy=step.cell.strategy,
            label=step.cell.label,
            endpoint=step.cell.endpoint,
            workload=step.cell.workload,
            requests=request.requests,
            deadline_s=request.deadline_s,
            idle_client_timeout_s=self._campaign.idle_client_timeout_s,
            due_wall_ns=due_ns,
            sent_wall_ns=sent_ns,
            store=self._journal.store.url,
        )

    def _file_unanswered(
        self, invocation: Invocation, reply: Reply, environment: str, done_ns: int
    ) -> list[str]:
        """Write the row of an invocation whose environment was killed.

        Raises:
            CampaignStopped: the function failed in another way; then it is broken, not the connection.

        """
        if reply.function_error not in ENVIRONMENT_LOST:
            message = reply.payload.get("errorMessage") if isinstance(reply.payload, dict) else reply.payload
            raise CampaignStopped(f"the function failed: {reply.function_error}: {message}")
        row = row_of_unanswered(invocation, reply, environment, done_ns)
        # Conflict: it had written its rows before it was killed, and those are the better ones.
        with contextlib.suppress(Conflict):
            self._journal.store.put_new(invocation.key, encode_rows([row.as_dict()]))
        return [row.outcome]

    def _watch(self, cell: Cell, outcomes: Sequence[str], reply: Reply) -> None:
        """Count losses, and end the campaign when nothing but losses comes back."""
        if cell.control:
            return
        lost = sum(outcome in (Outcome.ERROR, Outcome.HANG) for outcome in outcomes)
        self._lost += lost
        self._unanswered_in_a_row = self._unanswered_in_a_row + 1 if lost == len(outcomes) else 0
        if self._unanswered_in_a_row >= DOWN_AFTER:
            last = reply.payload.get("first_error") or reply.payload.get("errorMessage")
            raise CampaignStopped(
                f"no request has succeeded in {DOWN_AFTER} invocations in a row, the last said: {last}"
            )


def _record(invocation: Invocation, lane: _LaneState, reply: Reply, done_ns: int) -> dict[str, Any]:
    """One invocation as the client saw it, for the cell's object."""
    seen = asdict(reply)
    del seen["payload"]
    return {
        "sequence": invocation.sequence,
        "function": lane.function,
        "environment": lane.environment,
        "client_due_wall_ns": invocation.due_wall_ns,
        "client_sent_wall_ns": invocation.sent_wall_ns,
        "client_done_wall_ns": done_ns,
        **seen,
    }
