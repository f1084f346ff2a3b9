"""The conductor Lambda: takes the turns of a deployed campaign, one at a time, while the state machine waits.

A state machine knows no nanoseconds and cannot write the row of an environment that was killed. The
conductor can, because it takes its turns with the code of the local runner: the same events, the same
objects in the store. It must be deployed with a reserved concurrency of 1 (see `lane_plan`), and outside of
the VPC, out of which Lambda's API cannot be reached.
"""

import contextlib
import functools
import json
import math
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from poolbench.aws.lane_plan import LanePlan, PlannedTurn, key_of
from poolbench.campaign.clock import SystemClock
from poolbench.campaign.invoker import (
    ANSWER_PATIENCE_S,
    THROTTLE_PATIENCE_S,
    InvokeFailed,
    Invoker,
    LambdaInvoker,
)
from poolbench.campaign.journal import Journal
from poolbench.campaign.ledger import DatabaseLost, Ledger
from poolbench.campaign.schedule import STOP_GAPS_AFTER
from poolbench.campaign.turn import FunctionBroken, take_turn
from poolbench.model.cell import FinishedCell, InvocationRecord
from poolbench.model.header import FINISHED, SamplingTally, Session
from poolbench.store import LONGEST_PUT_S, Conflict, StoreError, open_store
from poolbench.typed import build

# What a turn may take besides the function: until it is let in, on its way, and for the puts of row, record,
# cell and session.
_AROUND_S = THROTTLE_PATIENCE_S + ANSWER_PATIENCE_S + 4 * LONGEST_PUT_S
_WHY = 200  # characters of a reason: all lanes' answers together must fit into 256 KB


class Context(Protocol):
    """What of Lambda's context object is used."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is killed."""


@dataclass(slots=True, kw_only=True)
class LaneState:
    """How far a lane is; it travels through the state machine from one call to the next."""

    store: str
    campaign: str
    session: str
    lane: int
    next: int = 0  # turn
    due_wall_ms: int = 0  # of that turn; milliseconds survive JSON numbers, nanoseconds do not
    wait_s: int = 0  # until then
    more: bool = True
    environment: str = ""  # that answered last
    ledger: Ledger = field(default_factory=lambda: Ledger(STOP_GAPS_AFTER))  # of a lane, that knows no other
    abandoned: dict[str, str] = field(default_factory=dict)  # cell -> why; it stays unfinished


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Lambda's entry point; `action` is `turn`, `lanes_done` or `finish`.

    Raises:
        ValueError: another action.
        StoreError: the store refused.

    """
    match event["action"]:
        case "turn":
            state = build(LaneState, event["state"])
            take_turns(state, context)
            return event | {"state": asdict(state)}
        case "lanes_done":
            return lanes_done(event)
        case "finish":
            return finish(event)
        case other:
            raise ValueError(f"unknown action {other!r}: turn, lanes_done or finish")


@functools.lru_cache(maxsize=4)
def _journal(store: str, campaign: str) -> Journal:
    return Journal(open_store(store), campaign)


@functools.lru_cache(maxsize=64)
def _plan(store: str, campaign: str, session: str, lane: int) -> LanePlan:
    return LanePlan.decode(_journal(store, campaign).store.get(key_of(campaign, session, lane)))


@functools.lru_cache(maxsize=4)
def _invoker(function_timeout_s: float) -> Invoker:
    return LambdaInvoker(function_timeout_s)


def take_turns(state: LaneState, context: Context) -> None:
    """Take the lane's turn that is due and those that follow at once, then say how long to wait."""
    plan = _plan(state.store, state.campaign, state.session, state.lane)
    longest_s = plan.function_timeout_s + _AROUND_S
    while True:
        _take(state, plan)
        state.next += 1
        while state.next < len(plan.turns) and plan.turns[state.next].cell.id in state.abandoned:
            state.next += 1
        if state.next == len(plan.turns):
            state.more = False
            return
        state.wait_s = _schedule(state, plan)
        if state.wait_s or context.get_remaining_time_in_millis() < longest_s * 1000:
            return


def _schedule(state: LaneState, plan: LanePlan) -> int:
    """Set when the next turn is due; whole seconds until then, rounded up: a gap is never too short."""
    turn, now_ms = plan.turns[state.next], time.time_ns() // 1_000_000
    due_ms = now_ms + round(turn.wait_s * 1000)
    if turn.wait_s:
        due_ms = max(due_ms, plan.starts_wall_ms + turn.offset_s * 1000)
    state.due_wall_ms = due_ms
    return math.ceil((due_ms - now_ms) / 1000)


def _take(state: LaneState, plan: LanePlan) -> None:
    """Take one turn; whatever goes wrong costs its cell alone."""
    turn = plan.turns[state.next]
    try:
        _measure(state, plan, turn)
    except (FunctionBroken, InvokeFailed, StoreError) as error:
        state.abandoned[turn.cell.id] = str(error)[:_WHY]
        print(f"cell {turn.cell.id} abandoned: {error}")  # noqa: T201 (a Lambda's log)


def _measure(state: LaneState, plan: LanePlan, turn: PlannedTurn) -> None:
    journal = _journal(state.store, state.campaign)
    planned = replace(turn.invocation, due_wall_ns=state.due_wall_ms * 1_000_000)
    taken = take_turn(
        planned,
        plan.function,
        state.environment,
        invoker=_invoker(plan.function_timeout_s),
        store=journal.store,
        clock=SystemClock(),
    )
    state.environment = taken.environment
    visit = planned.visit
    journal.write(f"invocations/{visit.cell}/{visit.attempt}-{visit.sequence:05d}", taken.record.as_dict())
    try:
        state.ledger.note(turn.cell, visit.role, taken.outcomes, taken.last_error)
    except DatabaseLost as error:
        left = [other.cell.id for other in plan.turns[state.next :]]
        state.abandoned |= dict.fromkeys([*state.ledger.held(), *left], str(error)[:_WHY])
        return
    complete = state.ledger.settle(turn.cell)
    if visit.sequence == _sequences(plan, visit.cell)[-1]:
        complete = [*complete, *state.ledger.complete(turn.cell)]
    if all(other.cell.id in state.abandoned for other in plan.turns[state.next + 1 :]):
        complete = [*complete, *state.ledger.end()]
    for cell in complete:
        _file(journal, plan, cell)


def _sequences(plan: LanePlan, cell: str) -> list[int]:
    return [turn.invocation.visit.sequence for turn in plan.turns if turn.cell.id == cell]


def _file(journal: Journal, plan: LanePlan, cell: str) -> None:
    attempt = next(turn.invocation.visit.attempt for turn in plan.turns if turn.cell.id == cell)
    names = [f"invocations/{cell}/{attempt}-{sequence:05d}" for sequence in _sequences(plan, cell)]
    records = tuple(InvocationRecord.from_dict(journal.read(name)) for name in names)
    journal.file(FinishedCell(cell=cell, attempt=attempt, invocations=records))


def lanes_done(event: dict[str, Any]) -> dict[str, Any]:
    """Leave the mark that ends the sampling beside the lanes."""
    journal = _journal(event["store"], event["campaign"])
    journal.write(f"lanes/{event['session']}-done", {})
    return {}


def finish(event: dict[str, Any]) -> dict[str, Any]:
    """Leave word of how the session ended, as the local campaign command does."""
    journal = _journal(event["store"], event["campaign"])
    missing = len({cell.id for cell in journal.header().cells} - journal.finished_cells())
    how = FINISHED
    if missing:
        reasons = [
            f"{cell}: {why}" for lane in event["lanes"] for cell, why in lane["state"]["abandoned"].items()
        ]
        failure = [json.dumps(event["failure"])] if event["failure"] else []
        how = "; ".join([f"stopped: {missing} cells are not finished", *failure, *reasons[:5]])
    tally = {name: value for name, value in event["sampling"].items() if name != "number"}
    session = Session(
        session=event["session"],
        started_wall_ns=event["started_wall_ms"] * 1_000_000,
        how=how,
        ended_wall_ns=time.time_ns(),
        sampling=build(SamplingTally, tally, "sampling"),
    )
    with contextlib.suppress(Conflict):  # asked again, because the first answer was lost
        journal.write(f"sessions/{session.session}", session.as_dict())
    return {"how": how}
