"""Runs bursts: one cell after the other, everything within a cell at once."""

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from poolbench.campaign.burst import Burst, in_random_order, lead_s
from poolbench.campaign.cells import Cell
from poolbench.campaign.clock import Clock
from poolbench.campaign.failures import MODES
from poolbench.campaign.invoker import Invoker
from poolbench.campaign.journal import Journal
from poolbench.campaign.plan import Campaign
from poolbench.campaign.runner import CampaignStopped, Progress
from poolbench.campaign.turn import FunctionBroken, Turn, finish_cell, take_turn
from poolbench.campaign.window import Window
from poolbench.function.invocation import Burst as Part
from poolbench.function.invocation import Invocation
from poolbench.function.record import Role
from poolbench.store import StoreError

TRIES = 3  # at a cell whose invocations did not all find an environment of their own
DOWN_AFTER = 4  # cells in a row in which no request to the database succeeded


def expected_s(campaign: Campaign, cells: Sequence[Cell]) -> float:
    """Wall time to expect, start-up apart, and requests that take no time."""
    return sum(_cell_s(campaign, campaign.burst, cell) for cell in cells if campaign.burst)


def _cell_s(campaign: Campaign, burst: Burst, cell: Cell) -> float:
    thinking_s = burst.think_s * campaign.request.requests
    calling_s = 2 * lead_s(cell.environments)  # for the burst, and to clear up after it
    return calling_s + thinking_s + burst.tail_s(cell, campaign.idle_client_timeout_s)


class BurstRunner:
    """One run of a campaign's unfinished bursts.

    All of a cell's invocations are sent before the first may begin, and wait in their environments for the
    same moment: so each has an environment to itself. Then the environments are left frozen with whatever
    they hold, and at last each is asked to close what is still open, so that the next cell begins with
    nothing.
    """

    def __init__(
        self,
        campaign: Campaign,
        journal: Journal,
        invoker: Invoker,
        clock: Clock,
        on_progress: Callable[[Progress], None],
        *,
        fleet: str,
    ) -> None:
        """Set up; `fleet` is the function (`name:alias`) that has environments enough."""
        assert campaign.burst is not None
        self._campaign, self._burst, self._journal = campaign, campaign.burst, journal
        self._invoker, self._clock, self._on_progress = invoker, clock, on_progress
        self._fleet = fleet
        self._lost = 0
        # Cells in a row in which every request was lost, each as what files it; by whether they go to the
        # database directly, which may be there when the proxy is not.
        self._held: dict[bool, list[Callable[[], None]]] = {True: [], False: []}

    def run(self, cells: Sequence[Cell], attempts: Mapping[str, int]) -> None:
        """Run cells in random order.

        Args:
            cells: which are not finished.
            attempts: for cells that were begun before, the number of this attempt.

        Raises:
            CampaignStopped: the database stopped answering, the function is broken, its environments are
                too few, or what an invocation brought can be stored neither by the function nor from here.
            InvokeFailed: the Lambda service stopped answering.

        """
        ordered = in_random_order(cells, self._campaign.seed)
        total, done = sum(cell.environments for cell in ordered), 0
        for place, cell in enumerate(ordered, 1):
            self._run_cell(cell, attempts.get(cell.id, 0))
            done += cell.environments
            left_s = expected_s(self._campaign, ordered[place:])
            self._on_progress(Progress(done, total, left_s, self._lost))
        for direct in self._held:
            self._file_held(direct)

    def _run_cell(self, cell: Cell, first_attempt: int) -> None:
        try:
            for again in range(TRIES):
                if self._finish(cell, first_attempt + again, patience=1 + again):
                    return
        except FunctionBroken as error:
            raise CampaignStopped(str(error)) from error
        except StoreError as error:
            raise CampaignStopped(
                f"{error}; all that was stored before is safe there, but not all of cell {cell.id}: once the "
                "store is mended, --resume measures that cell again"
            ) from error
        raise CampaignStopped(
            f"cell {cell.id}: its {cell.environments} invocations did not each have an environment of "
            f"{self._fleet} to itself, in {TRIES} tries: give it provisioned and reserved concurrency of "
            f"{self._campaign.fleet}, or lower factors.environments"
        )

    def _finish(self, cell: Cell, attempt: int, patience: int) -> bool:
        """Run the cell; whether each invocation had an environment to itself, so that the attempt counts."""
        began_ns = self._clock.wall_ns()
        start_ns = self._in_time(cell.environments, patience=patience)
        turns = self._together(cell, attempt, start_ns)
        ended_ns = self._clock.wall_ns()
        tail_s = self._burst.tail_s(cell, self._campaign.idle_client_timeout_s)
        self._clock.sleep_until(self._clock.monotonic() + tail_s)
        window = Window(began_ns, start_ns, ended_ns, after=self._clock.wall_ns())
        answered = [turn.environment for turn in turns if turn.environment]  # not of one that was killed
        self._clear_up(set(answered))
        if len(set(answered)) < len(answered):
            return False
        records = [turn.record for turn in turns]
        self._file(
            cell, turns, functools.partial(finish_cell, self._journal, cell.id, attempt, records, window)
        )
        return True

    def _in_time(self, environments: int, *, patience: int = 1) -> int:
        """A moment, in wall nanoseconds, by which so many invocations have arrived."""
        return self._clock.wall_ns() + round(patience * lead_s(environments) * 1e9)

    def _together(self, cell: Cell, attempt: int, start_ns: int) -> Sequence[Turn]:
        def take_part(sequence: int) -> Turn:
            return take_turn(
                self._invocation(cell, attempt, sequence, start_ns),
                self._fleet,
                environment="",
                invoker=self._invoker,
                store=self._journal.store,
                clock=self._clock,
            )

        with ThreadPoolExecutor(cell.environments) as callers:
            return list(callers.map(take_part, range(cell.environments)))

    def _invocation(self, cell: Cell, attempt: int, sequence: int, start_ns: int) -> Invocation:
        request = self._campaign.request
        return Invocation(
            campaign=self._journal.campaign,
            cell=cell.id,
            attempt=attempt,
            sequence=sequence,
            round=0,
            role=Role.BURST,
            strategy=cell.strategy,
            label=cell.label,
            endpoint=cell.endpoint,
            driver=cell.driver,
            workload=cell.workload,
            requests=request.requests,
            pooled=request.pooled,
            deadline_s=request.deadline_s,
            idle_client_timeout_s=self._campaign.idle_client_timeout_s,
            due_wall_ns=start_ns,
            sent_wall_ns=0,
            store=self._journal.store.url,
            burst=Part(start_wall_ns=start_ns, threads=cell.threads, think_s=self._burst.think_s),
        )

    def _clear_up(self, environments: set[str]) -> None:
        """Have every environment close what it holds: those used last answer first, or else all that are."""
        left = set(environments)
        for width in (len(environments), self._campaign.fleet):
            if left:
                left -= self._forget(width)
        if left:
            raise CampaignStopped(
                f"{len(left)} environments of {self._fleet} could not be asked to close their connections: "
                f"it needs provisioned and reserved concurrency of {self._campaign.fleet}"
            )

    def _forget(self, width: int) -> set[str]:
        event = {"action": "forget", "until_wall_ns": self._in_time(width)}
        with ThreadPoolExecutor(width) as callers:
            replies = list(callers.map(lambda _: self._invoker.invoke(self._fleet, event), range(width)))
        return {reply.payload["environment"] for reply in replies if not reply.function_error}

    def _file(self, cell: Cell, turns: Sequence[Turn], finish: Callable[[], None]) -> None:
        """File a cell, and end the campaign when nothing but losses comes back.

        One that lost every request waits until another one did not: if the database turns out to be down,
        --resume measures it again.
        """
        if cell.control:
            finish()
            return
        lost = sum(turn.lost for turn in turns)
        self._lost += lost
        direct = MODES[cell.failure].direct
        held = self._held[direct]
        held.append(finish)
        if lost < sum(len(turn.outcomes) for turn in turns):
            self._file_held(direct)
        elif len(held) >= DOWN_AFTER:
            raise CampaignStopped(
                f"no request has succeeded in {DOWN_AFTER} cells in a row, the last said: "
                f"{turns[-1].last_error}"
            )

    def _file_held(self, direct: bool) -> None:
        for finish in self._held[direct]:
            finish()
        self._held[direct].clear()
