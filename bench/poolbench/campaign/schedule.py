"""Which lane does what, in which order: pure, from the cells and the seed.

A lane is a generator of commands. It yields what to do next and is sent what came of it; the engine does it
when it is due. An idle gap and a burst are two such generators. Every lane says beforehand how many
invocations it has and how long it will take.
"""

import heapq
import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from poolbench.campaign.plan import Campaign
from poolbench.model.cell import Cell
from poolbench.model.row import Role

WINDOW_S = 0.012  # of one invocation, its turn included; for estimates and for balancing lanes alone
# Between an invocation's being sent and the moment for which all of a burst wait: an invocation that comes
# late would be given to an environment that is through already.
LEAD_S, LEAD_PER_ENVIRONMENT_S = 0.2, 0.02
TRIES = 3  # at a burst whose invocations did not all find an environment of their own
STOP_GAPS_AFTER = 20  # invocations in a row in which no request to the database succeeded
STOP_BURSTS_AFTER = 4  # the same, bursts


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One invocation on a lane, due `wait_s` after the lane's previous one was done."""

    cell: Cell
    round: int
    role: Role
    wait_s: float
    sequence: int  # within the cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a lane does next, due `wait_s` after its previous command was done.

    Attributes:
        attempt: at the cell.
        invocations: that are done with this command, for progress.
        cost_s: of the lane's estimate that is over with this command.

    """

    cell: Cell
    attempt: int
    wait_s: float = 0.0
    invocations: int = 0
    cost_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(Command):
    """Send one invocation, or as many as the cell has environments, which then begin at the same moment.

    What comes of it: the environments that answered, one for each invocation; empty for one that was killed.
    """

    round: int
    role: Role
    sequence: int = 0
    lead_s: float = 0.0  # of a burst: between its being sent and its beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget(Command):
    """Ask so many environments at once to close all that they keep open.

    What comes of it: the environments that did.
    """

    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest(Command):
    """Wait, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete(Command):
    """File the cell, unless the campaign turns out to have lost its database meanwhile."""


class CannotGoOn(Exception):
    """The lane's target is not what it needs; the message says what to change."""


Commands = Generator[Command, Sequence[str] | None, None]


@dataclass(frozen=True, slots=True)
class Lane:
    """What one execution environment does, one step after the other."""

    steps: tuple[Step, ...]

    @property
    def waiting_s(self) -> float:
        """Sum of the idle gaps."""
        return sum(step.wait_s for step in self.steps)

    @property
    def estimate_s(self) -> float:
        """Time the lane needs if it never has to wait for its turn."""
        return self.waiting_s + WINDOW_S * len(self.steps)

    @property
    def invocations(self) -> int:
        """How many the lane has."""
        return len(self.steps)

    def sends(self, attempts: Mapping[str, int]) -> Iterator[Send]:
        """Yield each step as a command, with its cell's attempt."""
        for step in self.steps:
            yield Send(
                cell=step.cell,
                attempt=attempts.get(step.cell.id, 0),
                wait_s=step.wait_s,
                invocations=1,
                cost_s=step.wait_s + WINDOW_S,
                round=step.round,
                role=step.role,
                sequence=step.sequence,
            )

    def commands(self, attempts: Mapping[str, int]) -> Commands:
        """Yield the steps; each cell is complete with the last of its own."""
        last = {step.cell.id: number for number, step in enumerate(self.steps)}
        for number, send in enumerate(self.sends(attempts)):
            yield send
            if last[send.cell.id] == number:
                yield Complete(cell=send.cell, attempt=send.attempt)


def plan_lanes(campaign: Campaign, cells: Sequence[Cell]) -> tuple[Lane, ...]:
    """Spread the cells over the campaign's lanes and order each lane's visits.

    Cells go to lanes longest first, each to the lane with the least to do (LPT, Graham 1969: at most 4/3 of
    the shortest possible). A lane goes through its cells once in every round, in an order drawn anew from
    the seed; a visit primes the cell's connection, then waits and measures `gaps_per_round` times. As lanes
    have about equal loads, a round happens everywhere at about the same time, which is what pairs compare.
    """
    repetition = campaign.repetition
    rng = random.Random(campaign.seed)
    shuffled = rng.sample(list(cells), len(cells))
    shuffled.sort(key=lambda cell: cell.gap_asked_s, reverse=True)  # stable: ties stay shuffled
    loads = [(0.0, lane) for lane in range(min(repetition.lanes, len(cells)))]
    of_lane: list[list[Cell]] = [[] for _ in loads]
    for cell in shuffled:
        load, lane = loads[0]
        of_lane[lane].append(cell)
        heapq.heapreplace(loads, (load + visit_s(campaign, cell), lane))
    return tuple(_lane(campaign, members, rng) for members in of_lane)


def visit_s(campaign: Campaign, cell: Cell) -> float:
    """Time that one visit to a cell keeps its lane busy."""
    gaps = campaign.repetition.gaps_per_round
    return cell.gap_asked_s * gaps + WINDOW_S * (1 + gaps)


def _lane(campaign: Campaign, cells: Sequence[Cell], rng: random.Random) -> Lane:
    per_visit = 1 + campaign.repetition.gaps_per_round
    visits = [
        (turn, cell)
        for turn in range(campaign.repetition.rounds)
        for cell in rng.sample(list(cells), len(cells))
    ]
    return Lane(
        tuple(
            Step(
                cell=cell,
                round=turn,
                role=Role.MEASURE if place else Role.PRIME,
                wait_s=cell.gap_asked_s if place else 0.0,
                sequence=turn * per_visit + place,
            )
            for turn, cell in visits
            for place in range(per_visit)
        )
    )


def expected_s(lanes: Sequence[Lane]) -> float:
    """Wall time to expect, start-up apart: the longest lane, or all windows in turn where that is more."""
    windows_s = WINDOW_S * sum(len(lane.steps) for lane in lanes)
    return max([windows_s, *(lane.estimate_s for lane in lanes)])


def lead_s(environments: int) -> float:
    """How long before they may begin so many environments are called."""
    return LEAD_S + LEAD_PER_ENVIRONMENT_S * environments


@dataclass(frozen=True, slots=True)
class BurstLane:
    """Bursts, one cell after the other, on a fleet of environments.

    All of a cell's invocations are sent before the first may begin, and wait in their environments for the
    same moment: so each has an environment to itself. Then the environments are left frozen with whatever
    they keep open, and at last each is asked to close it, so that the next cell begins with nothing.
    """

    campaign: Campaign
    cells: tuple[Cell, ...]  # in the order in which they are run

    @property
    def invocations(self) -> int:
        """How many the lane has."""
        return sum(cell.environments for cell in self.cells)

    @property
    def estimate_s(self) -> float:
        """Wall time to expect, start-up apart, and requests that take no time."""
        return sum(self.cell_s(cell) for cell in self.cells)

    def cell_s(self, cell: Cell) -> float:
        """Wall time that one cell takes."""
        burst = self.campaign.burst
        thinking_s = burst.think_s * self.campaign.request.requests if burst else 0.0
        calling_s = 2 * lead_s(cell.environments)  # for the burst, and to clear up after it
        return calling_s + thinking_s + self._tail_s(cell)

    def _tail_s(self, cell: Cell) -> float:
        burst = self.campaign.burst
        return burst.tail_s(cell, self.campaign.idle_client_timeout_s) if burst else 0.0

    def commands(self, attempts: Mapping[str, int]) -> Commands:
        """Yield each burst with what follows it, until each invocation had an environment to itself."""
        for cell in self.cells:
            yield from self._cell(cell, attempts.get(cell.id, 0))

    def _cell(self, cell: Cell, first_attempt: int) -> Commands:
        for again in range(TRIES):
            attempt = first_attempt + again
            answered = yield Send(
                cell=cell,
                attempt=attempt,
                round=0,
                role=Role.BURST,
                lead_s=(1 + again) * lead_s(cell.environments),
            )
            yield Rest(cell=cell, attempt=attempt, wait_s=self._tail_s(cell))
            known = list(filter(None, answered or ()))  # not of one that was killed
            yield from self._clear_up(cell, attempt, set(known))
            if len(set(known)) == len(known):
                yield Complete(
                    cell=cell,
                    attempt=attempt,
                    invocations=cell.environments,
                    cost_s=self.cell_s(cell),
                )
                return
        raise CannotGoOn(
            f"cell {cell.id}: its {cell.environments} invocations did not each have an environment of "
            f"the fleet to itself, in {TRIES} tries: give it provisioned and reserved concurrency of "
            f"{self.campaign.fleet}, or lower factors.environments"
        )

    def _clear_up(self, cell: Cell, attempt: int, environments: set[str]) -> Commands:
        """Have every environment close what it keeps: those used last answer first, or else all that are."""
        left = set(environments)
        for width in (len(environments), self.campaign.fleet):
            if left:
                left -= set((yield Forget(cell=cell, attempt=attempt, width=width)) or ())
        if left:
            raise CannotGoOn(
                f"{len(left)} environments of the fleet could not be asked to close their connections: "
                f"it needs provisioned and reserved concurrency of {self.campaign.fleet}"
            )


def plan_bursts(campaign: Campaign, cells: Sequence[Cell]) -> BurstLane:
    """Shuffle, so that what drifts during a campaign falls on no factor; always the same for a seed."""
    return BurstLane(campaign, tuple(random.Random(campaign.seed).sample(list(cells), len(cells))))


AnyLane = Lane | BurstLane
