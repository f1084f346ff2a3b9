"""Which lane does what, in which order: pure, from the cells and the seed."""

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass

from poolbench.campaign.cells import Cell
from poolbench.campaign.plan import Campaign
from poolbench.function.record import Role

WINDOW_S = 0.012  # of one invocation, its turn included; for estimates and for balancing lanes alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One invocation on a lane, due `wait_s` after the lane's previous one was done."""

    cell: Cell
    round: int
    role: Role
    wait_s: float
    sequence: int  # within the cell


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
    shuffled.sort(key=lambda cell: cell.gap_s, reverse=True)  # stable: ties stay shuffled
    loads = [(0.0, lane) for lane in range(min(repetition.lanes, len(cells)))]
    of_lane: list[list[Cell]] = [[] for _ in loads]
    for cell in shuffled:
        load, lane = loads[0]
        of_lane[lane].append(cell)
        visit_s = cell.gap_s * repetition.gaps_per_round + WINDOW_S * (1 + repetition.gaps_per_round)
        heapq.heapreplace(loads, (load + visit_s, lane))
    return tuple(_lane(campaign, members, rng) for members in of_lane)


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
                wait_s=cell.gap_s if place else 0.0,
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
