"""The burst: many environments, or many threads in one, that all ask at the same time.

A gap campaign asks what an idle connection is worth; this one how many there are, and who is left with them.
Cells take turns, as everything that is measured does; within a cell nothing does.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from poolbench.campaign import BadCampaign
from poolbench.campaign.cells import Cell, Contender
from poolbench.campaign.failures import MODES, When
from poolbench.function.drivers import DEFAULT
from poolbench.function.strategies import CONTROL, get

# Between an invocation's being sent and the moment for which all wait: an invocation that comes late would
# be given to an environment that is through already.
LEAD_S, LEAD_PER_ENVIRONMENT_S = 0.2, 0.02

MOST_AT_ONCE = 1000  # Lambda's default quota of concurrent executions
_RANGES = {
    "think_s": (0, 60),
    "tail_timeouts": (0.1, 100),
    "max_connections": (10, 100_000),  # what MariaDB takes
    "max_connections_percent": (1, 100),  # what RDS Proxy takes
}

Shape = tuple[int, int]  # environments, threads in each


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """How environments are set upon the database; what the proxy and the server are, or must be, set to."""

    think_s: float = 0.0  # mean pause of a thread before each request; 0 is a stampede
    tail_timeouts: float = 1.2  # how long they are left alone afterwards, in idle client timeouts
    max_connections: int = 600  # of the server
    max_connections_percent: int = 100  # of those, how many the proxy may open

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            BadCampaign: see the message.

        """
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadCampaign(f"burst.{name} is {value:g}: use {low:g} to {high:g}")

    def tail_s(self, cell: Cell, idle_client_timeout_s: float) -> float:
        """Time from the burst's end to that of the cell; the control leaves nothing behind to wait for."""
        return 0.0 if cell.control else self.tail_timeouts * idle_client_timeout_s


def lead_s(environments: int) -> float:
    """How long before they may begin so many environments are called."""
    return LEAD_S + LEAD_PER_ENVIRONMENT_S * environments


def shapes(environments: Iterable[int], threads: Iterable[int]) -> tuple[Shape, ...]:
    """Every number of environments with one thread each, every number of threads in one environment."""
    found = [(number, 1) for number in environments] + [(1, number) for number in threads]
    return tuple(dict.fromkeys(found))


def check_factors(wanted: Sequence[Shape], failures: Sequence[str], drivers: Sequence[str]) -> None:
    """Refuse factors that no burst can have.

    Raises:
        BadCampaign: see the message.

    """
    if not wanted:
        raise BadCampaign("factors.environments and factors.threads are empty: say how many at once")
    for environments, threads in wanted:
        if not (1 <= environments <= MOST_AT_ONCE and 1 <= threads <= MOST_AT_ONCE):
            raise BadCampaign(f"factors.environments and factors.threads: use 1 to {MOST_AT_ONCE}")
    switched = [name for name in failures if MODES[name].when is not When.ALWAYS]
    if switched:
        raise BadCampaign(f"factors.failures: {', '.join(switched)} cannot be had in a burst")
    if tuple(drivers) != (DEFAULT,):
        raise BadCampaign(
            f"factors.drivers: a burst is measured with {DEFAULT} alone, which threads can share"
        )


def burst_cells(
    contenders: Sequence[Contender], wanted: Sequence[Shape], *, replicates: int, workload: str
) -> tuple[Cell, ...]:
    """Cross contenders with shapes, less what cannot be."""
    return tuple(
        Cell(
            id=f"{contender.id}-{environments}x{threads}-{replicate}",
            strategy=contender.strategy,
            twin=contender.twin,
            control=contender.strategy == CONTROL,
            driver=contender.driver,
            failure=contender.failure,
            gap_s=0.0,
            gap_ratio=0.0,
            replicate=replicate,
            workload=workload,
            environments=environments,
            threads=threads,
        )
        for contender in contenders
        for environments, threads in wanted
        if threads == 1 or not _keeps_to_one_thread(contender.strategy)
        for replicate in range(replicates)
    )


def without_threads(strategies: Iterable[str], wanted: Sequence[Shape]) -> Iterator[str]:
    """Strategies that several threads cannot share, each with the reason."""
    if any(threads > 1 for _, threads in wanted):
        for name in filter(_keeps_to_one_thread, strategies):
            yield f"{name} with several threads: they cannot share the one connection that it holds"


def _keeps_to_one_thread(strategy: str) -> bool:
    return strategy == CONTROL or get(strategy).conduct.holds_connection


def in_random_order(cells: Sequence[Cell], seed: int) -> tuple[Cell, ...]:
    """Shuffle, so that what drifts during a campaign falls on no factor; always the same for a seed."""
    return tuple(random.Random(seed).sample(list(cells), len(cells)))
