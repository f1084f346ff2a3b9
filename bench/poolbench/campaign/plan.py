"""A campaign, checked, and the list of cells that it stands for."""

from dataclasses import asdict, dataclass

from poolbench.campaign import BadCampaign
from poolbench.campaign.bounds import check_extent, check_gaps, check_name
from poolbench.campaign.burst import Burst, Shape, burst_cells, check_factors, lead_s, shapes, without_threads
from poolbench.campaign.cells import Cell, Contender, contenders
from poolbench.campaign.failures import MODES, USUAL
from poolbench.function.drivers import DEFAULT, DRIVERS
from poolbench.function.strategies import CONTROL, BadEngine, UnknownStrategy, get
from poolbench.function.workload import UnknownWorkload, get_workload
from poolbench.store import LONGEST_PUT_S
from poolbench.typed import unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What is varied: the cells are the product, the A/A twin and the control come by themselves."""

    strategies: tuple[str, ...]
    gaps: tuple[float, ...] = ()  # multiples of the idle client timeout
    gaps_s: tuple[float, ...] = ()  # and absolute, in seconds
    failures: tuple[str, ...] = (USUAL,)  # what happens to connections, see poolbench.campaign.failures
    drivers: tuple[str, ...] = (DEFAULT,)
    environments: tuple[int, ...] = ()  # of a burst: how many at once, with one thread each
    threads: tuple[int, ...] = ()  # of a burst: how many in one environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What each invocation does."""

    workload: str = "point_select"
    requests: int = 3  # back to back: the first after the gap, the others steady
    pooled: int = 1  # connections that are in the pool when the gap begins, as after so many threads at once
    deadline_s: float = 5.0  # for each; after it the row says `hang`


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """How often; a cell yields replicates x rounds x gaps_per_round first-after-gap requests."""

    lanes: int = 1  # execution environments that wait side by side
    replicates: int = 1  # cells of the same kind, on lanes of their own
    rounds: int = 1
    gaps_per_round: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What a campaign file says, checked."""

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

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            BadCampaign: see the message.

        """
        self._check_names()
        self._check_numbers()

    def _check_names(self) -> None:
        factors = self.factors
        check_name(self.name)
        if not factors.strategies:
            raise BadCampaign("factors.strategies is empty: name at least one (see `poolbench strategies`)")
        for label, names, known in (
            ("drivers", factors.drivers, DRIVERS),
            ("failures", factors.failures, MODES),
        ):
            if not names:
                raise BadCampaign(f"factors.{label} is empty: name at least one, or leave it out")
            for name in names:
                if name not in known:
                    raise BadCampaign(f"factors.{label}: {unknown(name, known)}")
        direct = [name for name in factors.failures if MODES[name].direct]
        for name in direct:
            if MODES[name].reaches_all and (others := ", ".join(other for other in direct if other != name)):
                raise BadCampaign(
                    f"factors.failures: {name} would end the connections of {others}, too: "
                    "measure it in a campaign of its own"
                )
        try:
            for name in factors.strategies:
                get(name)
            self.left_out()
        except (UnknownStrategy, BadEngine) as error:
            raise BadCampaign(f"factors.strategies: {error}") from None
        try:
            get_workload(self.request.workload)
        except UnknownWorkload as error:
            raise BadCampaign(f"request.workload: {error}") from None
        for label in ("strategies", "drivers", "failures", "gaps", "environments", "threads"):
            values = [*map(str, self.gaps_s() if label == "gaps" else getattr(factors, label))]
            twice = {value for value in values if values.count(value) > 1}
            if twice:
                raise BadCampaign(f"factors.{label}: {', '.join(sorted(twice))} given twice")

    def _check_numbers(self) -> None:
        request = self.request
        positive = {
            "idle_client_timeout_s": self.idle_client_timeout_s,
            "function_timeout_s": self.function_timeout_s,
            **{f"request.{name}": value for name, value in asdict(request).items() if name != "workload"},
            **{f"repetition.{name}": value for name, value in asdict(self.repetition).items()},
        }
        for key, value in positive.items():
            if value <= 0:
                raise BadCampaign(f"{key} is {value}: it must be positive")
        not_negative = {
            "added_rtt_s": self.added_rtt_s,
            "connection_borrow_timeout_s": self.connection_borrow_timeout_s,
        }
        for key, value in not_negative.items():
            if value < 0:
                raise BadCampaign(f"{key} is {value}: it must not be negative")
        if self.burst:
            self._check_burst()
        else:
            self._check_gaps()
        check_extent(self.function_timeout_s, self._invocations())
        longest = request.deadline_s * request.requests + LONGEST_PUT_S
        if self.burst:
            longest += 2 * self.burst.think_s * request.requests + lead_s(self.fleet)
        if longest >= self.function_timeout_s:
            raise BadCampaign(
                f"request.requests x request.deadline_s, and {LONGEST_PUT_S} s for the slowest store, make "
                f"{longest:g} s, which is not below function_timeout_s = {self.function_timeout_s}: the "
                "function would be killed before its rows are written; raise function_timeout_s or lower the "
                "others"
            )

    def _check_gaps(self) -> None:
        factors = self.factors
        if self.shapes():
            raise BadCampaign("factors.environments and factors.threads are of a burst: add a table [burst]")
        if not factors.gaps and not factors.gaps_s:
            raise BadCampaign("factors.gaps and factors.gaps_s are empty: give at least one gap")
        check_gaps(self._gaps())

    def _check_burst(self) -> None:
        factors = self.factors
        if factors.gaps or factors.gaps_s:
            raise BadCampaign("factors.gaps: a burst has none; leave them out, or the table [burst]")
        if self.repetition != Repetition(replicates=self.repetition.replicates) or self.request.pooled != 1:
            raise BadCampaign(
                "a burst is repeated by repetition.replicates alone: leave out lanes, rounds, gaps_per_round "
                "and request.pooled"
            )
        check_factors(self.shapes(), factors.failures, factors.drivers)

    def _invocations(self) -> int:
        """How many there are, without making the cells, which may be too many."""
        repetition = self.repetition
        crossed, _ = self._contenders()
        cells = len(crossed) * len(self.shapes() or self._gaps()) * repetition.replicates
        return cells * repetition.rounds * (1 + repetition.gaps_per_round)

    def shapes(self) -> tuple[Shape, ...]:
        """Of a burst's cells: environments at once, and threads in each; empty without a burst."""
        return shapes(self.factors.environments, self.factors.threads)

    @property
    def fleet(self) -> int:
        """How many environments of one function are needed at once; 0 without a burst."""
        return max((environments for environments, _ in self.shapes()), default=0)

    def gaps_s(self) -> tuple[float, ...]:
        """Every idle gap, in seconds, in the order of the file."""
        return tuple(gap for gap, _ in self._gaps())

    def _gaps(self) -> list[tuple[float, str]]:
        relative = [(ratio * self.idle_client_timeout_s, f"{ratio:g}x") for ratio in self.factors.gaps]
        return relative + [(seconds, f"{seconds:g}s") for seconds in self.factors.gaps_s]

    def cells(self) -> tuple[Cell, ...]:
        """Expand: strategies x drivers x failures x gaps, or shapes, x replicates, less what cannot be."""
        crossed, _ = self._contenders()
        if self.burst:
            replicates, workload = self.repetition.replicates, self.request.workload
            return burst_cells(crossed, self.shapes(), replicates=replicates, workload=workload)
        return tuple(
            Cell(
                id=f"{contender.id}-{label}-{replicate}",
                strategy=contender.strategy,
                twin=contender.twin,
                control=contender.strategy == CONTROL,
                driver=contender.driver,
                failure=contender.failure,
                gap_s=gap_s,
                gap_ratio=gap_s / self.idle_client_timeout_s,
                replicate=replicate,
                workload=self.request.workload,
            )
            for contender in crossed
            for gap_s, label in self._gaps()
            for replicate in range(self.repetition.replicates)
        )

    def left_out(self) -> tuple[str, ...]:
        """Combinations that cannot be, each with the reason."""
        _, misfits = self._contenders()
        return (*misfits, *without_threads(self.factors.strategies, self.shapes()))

    def _contenders(self) -> tuple[tuple[Contender, ...], tuple[str, ...]]:
        factors = self.factors
        return contenders(factors.strategies, factors.drivers, factors.failures, self.request.workload)
