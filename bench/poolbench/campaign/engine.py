"""The engine: does what lanes want when it is due. Waits overlap, measurements take turns.

A single thread serves a queue of due times, so no two measured windows can overlap, while the gaps of all
lanes run side by side. The gap of a lane starts when its last invocation was answered.
"""

import contextlib
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from poolbench.campaign.clock import Clock
from poolbench.campaign.invoker import Invoker
from poolbench.campaign.journal import Journal
from poolbench.campaign.ledger import DatabaseLost, Ledger
from poolbench.campaign.plan import Campaign
from poolbench.campaign.schedule import (
    STOP_BURSTS_AFTER,
    STOP_GAPS_AFTER,
    WINDOW_S,
    AnyLane,
    CannotGoOn,
    Command,
    Commands,
    Complete,
    Forget,
    Rest,
    Send,
    lead_s,
)
from poolbench.campaign.target import FaultInjector
from poolbench.campaign.turn import FunctionBroken, Turn, invocation_of, take_turn
from poolbench.model.cell import Cell, FinishedCell, InvocationRecord, Window
from poolbench.model.failures import MODES, When
from poolbench.model.row import Role
from poolbench.store import StoreError

# Lanes with equal gaps that start together stay together, and then queue for their turns.
STAGGER_S = 3 * WINDOW_S


class CampaignStopped(Exception):
    """The campaign cannot go on; what was measured is in the store. The message says why."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is."""

    done: int  # invocations
    total: int
    left_s: float  # by the plan
    failed: int  # requests so far


@dataclass(slots=True)
class _RunningLane:
    function: str
    commands: Commands
    left_s: float
    next: Command = field(init=False)
    environment: str = ""  # that answered last


@dataclass(slots=True)
class _RunningCell:
    attempt: int
    records: list[InvocationRecord] = field(default_factory=list)
    began_ns: int = 0  # of a burst: its moments
    start_ns: int = 0
    ended_ns: int = 0
    rested_ns: int = 0


class Engine:
    """One run of a campaign's unfinished cells."""

    def __init__(
        self,
        campaign: Campaign,
        journal: Journal,
        invoker: Invoker,
        clock: Clock,
        on_progress: Callable[[Progress], None],
        *,
        faults: FaultInjector | None = None,
    ) -> None:
        """Set up; nothing happens before `run`."""
        self._campaign, self._journal, self._faults = campaign, journal, faults
        self._invoker, self._clock, self._on_progress = invoker, clock, on_progress
        self._ledger = Ledger(STOP_BURSTS_AFTER if campaign.burst else STOP_GAPS_AFTER)
        self._cells: dict[str, _RunningCell] = {}
        self._finished: dict[str, FinishedCell] = {}  # complete, and perhaps not filed yet
        self._lanes: list[_RunningLane] = []
        self._done = self._total = 0  # invocations

    def run(self, lanes: Sequence[AnyLane], functions: Sequence[str], attempts: Mapping[str, int]) -> None:
        """Do everything that the lanes want, each on its function.

        Args:
            lanes: what to do.
            functions: the functions to call, at least as many as lanes; `name:alias`.
            attempts: for cells that were begun before, the number of this attempt.

        Raises:
            CampaignStopped: the database stopped answering, the function is broken, its environments are too
                few, or what an invocation brought can be stored neither by the function nor from here.
            InvokeFailed: the Lambda service stopped answering.

        """
        self._lanes = [
            _RunningLane(function, lane.commands(attempts), lane.estimate_s)
            for lane, function in zip(lanes, functions, strict=False)
        ]
        self._total = sum(lane.invocations for lane in lanes)
        start = self._clock.monotonic()
        queue = [
            (start + index * STAGGER_S, index)
            for index, lane in enumerate(self._lanes)
            if self._advance(lane, None)
        ]
        heapq.heapify(queue)
        while queue:
            due, index = heapq.heappop(queue)
            lane = self._lanes[index]
            self._clock.sleep_until(due)
            if self._advance(lane, self._carry_out(lane, lane.next, due)):
                heapq.heappush(queue, (self._clock.monotonic() + lane.next.wait_s, index))
        with self._explained(""):
            self._file(self._ledger.end())

    def _advance(self, lane: _RunningLane, came: Sequence[str] | None) -> bool:
        """Get the lane's next command, and complete cells on the way; False: it has no more."""
        try:
            lane.next = lane.commands.send(came)
            while isinstance(lane.next, Complete):
                lane.next = lane.commands.send(self._carry_out(lane, lane.next, 0.0))
        except StopIteration:
            return False
        except CannotGoOn as error:
            raise CampaignStopped(f"{lane.function}: {error}") from error
        return True

    def _carry_out(self, lane: _RunningLane, command: Command, due: float) -> Sequence[str]:
        came: Sequence[str] = ()
        with self._explained(command.cell.id):
            match command:
                case Send():
                    came = self._send(lane, command, due)
                case Rest():
                    self._cells[command.cell.id].rested_ns = self._clock.wall_ns()
                case Forget():
                    came = self._forget(lane.function, command.width)
                case Complete():
                    self._complete(command.cell)
        lane.left_s -= command.cost_s
        if command.invocations:
            self._done += command.invocations
            left_s = max(0.0, (self._total - self._done) * WINDOW_S, *(each.left_s for each in self._lanes))
            self._on_progress(Progress(self._done, self._total, left_s, self._ledger.failed))
        return came

    @contextlib.contextmanager
    def _explained(self, cell: str) -> Iterator[None]:
        """Say what stops the campaign, and what is safe."""
        try:
            yield
        except (DatabaseLost, FunctionBroken) as error:
            raise CampaignStopped(str(error)) from error
        except StoreError as error:
            raise CampaignStopped(
                f"{error}; all that was stored before is safe there, but not all of cell {cell}: once the "
                "store is mended, --resume measures that cell again"
            ) from error

    def _send(self, lane: _RunningLane, send: Send, due: float) -> Sequence[str]:
        cell = send.cell
        running = self._cells.get(cell.id)
        if running is None or running.attempt != send.attempt:
            running = self._cells[cell.id] = _RunningCell(send.attempt)
        with self._failing(send):
            if send.role is Role.BURST:
                turns = self._burst(lane, send, running)
            else:
                late_ns = round((self._clock.monotonic() - due) * 1e9)
                turns = [self._turn(lane, send, send.sequence, self._clock.wall_ns() - late_ns)]
                lane.environment = turns[0].environment
        running.records += [turn.record for turn in turns]
        outcomes = [outcome for turn in turns for outcome in turn.outcomes]
        self._ledger.note(cell, send.role, outcomes, turns[-1].last_error)
        self._file(self._ledger.settle(cell))
        return [turn.environment for turn in turns]

    def _burst(self, lane: _RunningLane, send: Send, running: _RunningCell) -> Sequence[Turn]:
        running.began_ns = self._clock.wall_ns()
        running.start_ns = running.began_ns + round(send.lead_s * 1e9)

        def take_part(sequence: int) -> Turn:
            return self._turn(lane, send, sequence, running.start_ns)

        with ThreadPoolExecutor(send.cell.environments) as callers:
            turns = list(callers.map(take_part, range(send.cell.environments)))
        running.ended_ns = self._clock.wall_ns()
        return turns

    def _turn(self, lane: _RunningLane, send: Send, sequence: int, due_ns: int) -> Turn:
        return take_turn(
            invocation_of(self._campaign, self._journal, send, sequence, due_ns),
            lane.function,
            lane.environment,
            invoker=self._invoker,
            store=self._journal.store,
            clock=self._clock,
        )

    def _forget(self, function: str, width: int) -> Sequence[str]:
        until_ns = self._clock.wall_ns() + round(lead_s(width) * 1e9)
        event = {"action": "forget", "until_wall_ns": until_ns}
        with ThreadPoolExecutor(width) as callers:
            replies = list(callers.map(lambda _: self._invoker.invoke(function, event), range(width)))
        return [reply.payload["environment"] for reply in replies if not reply.report.function_error]

    @contextlib.contextmanager
    def _failing(self, send: Send) -> Iterator[None]:
        """Bring about the cell's failure, if that needs somebody to do it."""
        mode = MODES[send.cell.failure]
        measured = send.role is Role.MEASURE and not send.cell.baseline
        if self._faults is None or mode.when is When.ALWAYS or not measured:
            yield
            return
        self._faults.begin(mode.name)
        try:
            if mode.when is When.IN_THE_GAP:
                self._faults.end(mode.name)
            yield
        finally:
            if mode.when is When.AT_THE_REQUEST:
                self._faults.end(mode.name)

    def _complete(self, cell: Cell) -> None:
        running = self._cells.pop(cell.id)
        window = None
        if running.rested_ns:
            window = Window(running.began_ns, running.start_ns, running.ended_ns, running.rested_ns)
        self._finished[cell.id] = FinishedCell(
            cell=cell.id, attempt=running.attempt, invocations=tuple(running.records), window=window
        )
        self._file(self._ledger.complete(cell))

    def _file(self, cells: Sequence[str]) -> None:
        for cell in cells:
            self._journal.file(self._finished.pop(cell))
