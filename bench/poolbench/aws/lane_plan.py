"""What one lane of a deployed campaign does, as an object in the store, and when its turns are planned.

Measured windows must not overlap on AWS either. Two things see to it. The plan is staggered: the campaign
is run through beforehand, with a fixed time for each turn, by the runner's own rule that turns are taken
one after the other; a lane then waits for the later of its gap's end and its planned moment, so lanes with
equal gaps, which would otherwise come due together round after round, stay apart. What the plan cannot
know, a hang say, is left to the conductor, whose reserved concurrency of 1 makes it a lock: a second turn
is throttled until the first is over. So gaps are never shorter than asked for, late turns show by their
rows' due and sent times, and nothing but a second conductor could make windows overlap.
"""

import heapq
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Self

from poolbench.campaign.schedule import Lane
from poolbench.model.cell import Cell
from poolbench.model.invocation import Invocation
from poolbench.typed import build

# Of a turn through the conductor: two invocations and three puts to S3. An assumption for the plan alone.
TURN_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTurn:
    """One step of a lane."""

    invocation: Invocation  # but for the times
    wait_s: float  # since the lane's previous turn was done
    offset_s: int  # since the campaign's start, not before; whole seconds, as the Wait state knows no others
    cell: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlan:
    """Everything the conductor needs to know of a lane."""

    function: str  # name:alias
    function_timeout_s: float
    starts_wall_ms: int  # what the offsets count from
    turns: tuple[PlannedTurn, ...]

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Inverse of `encode`."""
        return build(cls, json.loads(data))


def key_of(campaign: str, session: str, lane: int) -> str:
    """Where the store keeps a lane's plan."""
    return f"{campaign}/lanes/{session}-{lane:03d}.json"


def stagger(lanes: Sequence[Lane], turn_s: float = TURN_S) -> tuple[tuple[int, ...], ...]:
    """Plan a moment for each step of each lane, in whole seconds since the start.

    Steps without a wait follow at once on the one before, in the same turn of the conductor; such a block
    starts at the first whole second at which its gap is over and nobody else has the turn.
    """
    offsets = [[0] * len(lane.steps) for lane in lanes]
    queue = [(0.0, number, 0) for number, lane in enumerate(lanes) if lane.steps]
    free = 0.0
    while queue:
        earliest, number, first = heapq.heappop(queue)
        steps = lanes[number].steps
        end = next((i for i in range(first + 1, len(steps)) if steps[i].wait_s), len(steps))
        start = math.ceil(max(earliest, free))
        offsets[number][first:end] = [start] * (end - first)
        free = start + turn_s * (end - first)
        if end < len(steps):
            heapq.heappush(queue, (free + steps[end].wait_s, number, end))
    return tuple(map(tuple, offsets))


def planned_s(lanes: Sequence[Lane]) -> float:
    """Wall time of the staggered plan."""
    ends = [offsets[-1] + TURN_S for offsets in stagger(lanes) if offsets]
    return max(ends, default=0.0)
