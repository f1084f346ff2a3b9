"""A campaign as its file says it, and the cells that it stands for.

Nothing is checked here: `poolbench.campaign.checks` refuses what cannot be measured when a file is loaded.
"""

from dataclasses import dataclass

from poolbench.campaign.cells import Contender, Shape, contenders, fits, shapes, without_threads
from poolbench.function.drivers import DEFAULT
from poolbench.model.cell import Cell
from poolbench.model.failures import USUAL
from poolbench.model.header import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What is varied: the cells are the product; the A/A control and the baseline come by themselves."""

    strategies: tuple[str, ...]
    gaps: tuple[float, ...] = ()  # multiples of the idle client timeout
    gaps_s: tuple[float, ...] = ()  # and absolute, in seconds
    failures: tuple[str, ...] = (USUAL,)  # what happens to connections, see poolbench.model.failures
    drivers: tuple[str, ...] = (DEFAULT,)
    environments: tuple[int, ...] = ()  # of a burst: how many at once, with one thread each
    threads: tuple[int, ...] = ()  # of a burst: how many in one environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """How often; a cell yields replicates x rounds x gaps_per_round first-after-gap requests."""

    lanes: int = 1  # execution environments that wait side by side
    replicates: int = 1  # cells of the same kind, on lanes of their own
    rounds: int = 1
    gaps_per_round: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """How environments all ask at once, and what the proxy and the server are, or must be, set to.

    A gap campaign asks what an idle connection is worth; a burst how many there are, and who keeps them.
    """

    think_s: float = 0.0  # mean pause of a thread before each request; 0 is a stampede
    tail_timeouts: float = 1.2  # how long they are left alone afterwards, in idle client timeouts
    max_connections: int = 600  # of the server
    max_connections_percent: int = 100  # of those, how many the proxy may open

    def tail_s(self, cell: Cell, idle_client_timeout_s: float) -> float:
        """Time from the burst's end to that of the cell; the baseline leaves nothing behind to wait for."""
        return 0.0 if cell.baseline else self.tail_timeouts * idle_client_timeout_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What a campaign file says."""

    name: str
    description: str
    seed: int
    idle_client_timeout_s: float  # what the proxy is, or must be, set to
    function_timeout_s: int = 60
    connection_borrow_timeout_s: float = 120.0  # the same; RDS Proxy's default
    added_rtt_s: float = 0.0  # round-trip time that the lab adds in front of the proxy; none on AWS
    tls: bool = False  # between functions and the lab's proxy and server; on AWS always
    sqlalchemy: str = ""  # series that the lab's functions run on, such as 2.0; the installed one if empty
    factors: Factors
    request: Request = Request()
    repetition: Repetition = Repetition()
    burst: Burst | None = None  # then this is about concurrency, and not about gaps

    def shapes(self) -> tuple[Shape, ...]:
        """Of a burst's cells: environments at once, and threads in each; empty without a burst."""
        return shapes(self.factors.environments, self.factors.threads)

    @property
    def fleet(self) -> int:
        """How many environments of one function are needed at once; 0 without a burst."""
        return max((environments for environments, _ in self.shapes()), default=0)

    def gaps(self) -> list[tuple[float, str]]:
        """Every idle gap in the order of the file: seconds, and what cells are named after it."""
        relative = [(ratio * self.idle_client_timeout_s, f"{ratio:g}x") for ratio in self.factors.gaps]
        return relative + [(seconds, f"{seconds:g}s") for seconds in self.factors.gaps_s]

    def invocations(self) -> int:
        """How many there are, without making the cells, which may be too many."""
        repetition = self.repetition
        crossed, _ = self._contenders()
        cells = len(crossed) * len(self.shapes() or self.gaps()) * repetition.replicates
        return cells * repetition.rounds * (1 + repetition.gaps_per_round)

    def cells(self) -> tuple[Cell, ...]:
        """Expand: strategies x drivers x failures x gaps, or shapes, x replicates, less what cannot be."""
        crossed, _ = self._contenders()
        workload, replicates = self.request.workload, range(self.repetition.replicates)
        if self.burst:
            return tuple(
                one.cell(f"{shape[0]}x{shape[1]}", number, workload, environments=shape[0], threads=shape[1])
                for one in crossed
                for shape in self.shapes()
                if fits(one.strategy, shape)
                for number in replicates
            )
        timeout_s = self.idle_client_timeout_s
        return tuple(
            one.cell(label, number, workload, gap_asked_s=gap_s, gap_ratio=gap_s / timeout_s)
            for one in crossed
            for gap_s, label in self.gaps()
            for number in replicates
        )

    def left_out(self) -> tuple[str, ...]:
        """Combinations that cannot be, each with the reason."""
        _, misfits = self._contenders()
        return (*misfits, *without_threads(self.factors.strategies, self.shapes()))

    def _contenders(self) -> tuple[tuple[Contender, ...], tuple[str, ...]]:
        factors = self.factors
        return contenders(factors.strategies, factors.drivers, factors.failures, self.request.workload)
