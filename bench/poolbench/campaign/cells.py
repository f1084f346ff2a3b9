"""The cells that a campaign's factors stand for: the product, less what cannot be."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from poolbench.function.drivers import DEFAULT
from poolbench.function.drivers import get as get_driver
from poolbench.function.strategies import CONTROL, REFERENCE, get, misfit
from poolbench.function.workload import NOT_TWICE
from poolbench.model.cell import Cell
from poolbench.model.failures import MODES, USUAL

Shape = tuple[int, int]  # of a burst: environments at once, threads in each


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Everything of a cell but its gap or shape, and its number."""

    strategy: str
    driver: str
    failure: str
    aa_control: bool = False

    @property
    def id(self) -> str:
        """Its factors, less those that are as usual."""
        unusual = [
            *(["twin"] if self.aa_control else []),
            *([self.driver] if self.driver != DEFAULT else []),
            *([self.failure] if self.failure != USUAL else []),
        ]
        return "-".join([self.strategy, *unusual])

    def cell(self, variant: str, replicate: int, workload: str, **more: float) -> Cell:
        """Make a cell; `variant` is what its id says of its gap or shape, `more` the fields for that."""
        return Cell(
            id=f"{self.id}-{variant}-{replicate}",
            strategy=self.strategy,
            aa_control=self.aa_control,
            baseline=self.strategy == CONTROL,
            driver=self.driver,
            failure=self.failure,
            replicate=replicate,
            workload=workload,
            **more,  # type: ignore[arg-type]
        )


def contenders(
    strategies: Sequence[str], drivers: Sequence[str], failures: Sequence[str], workload: str
) -> tuple[tuple[Contender, ...], tuple[str, ...]]:
    """Cross the factors, less the combinations that cannot be, and say which those are and why.

    Where it is not asked for, the reference strategy is added, for each driver and failure; its A/A control
    and the baseline are added with the first of both.
    """
    names = [*strategies, *([REFERENCE] if REFERENCE not in strategies else [])]
    left_out = {
        (name, driver, failure): reason
        for name in names
        for driver in drivers
        for failure in failures
        if (
            reason := misfit(get(name), get_driver(driver))
            or _misfit_of_failure(name, failure)
            or _misfit_of_workload(name, workload)
        )
    }
    crossed = [
        Contender(strategy=name, driver=driver, failure=failure)
        for name in names
        for failure in failures
        for driver in drivers
        if (name, driver, failure) not in left_out
    ]
    crossed += [
        Contender(strategy=name, driver=drivers[0], failure=failures[0], aa_control=name == REFERENCE)
        for name in (REFERENCE, CONTROL)
    ]
    return tuple(crossed), tuple(dict.fromkeys(left_out.values()))


def _misfit_of_failure(strategy: str, failure: str) -> str | None:
    if get(strategy).token and MODES[failure].direct:
        return f"{strategy} with {failure}: the database itself takes no tokens here"
    return None


def _misfit_of_workload(strategy: str, workload: str) -> str | None:
    if get(strategy).conduct.retries and workload in NOT_TWICE:
        return (
            f"{strategy} with {workload}: it must not run twice, and a lost connection may be a lost answer"
        )
    return None


def shapes(environments: Iterable[int], threads: Iterable[int]) -> tuple[Shape, ...]:
    """Every number of environments with one thread each, every number of threads in one environment."""
    found = [(number, 1) for number in environments] + [(1, number) for number in threads]
    return tuple(dict.fromkeys(found))


def fits(strategy: str, shape: Shape) -> bool:
    """Whether the strategy can be measured in that shape: threads cannot share one open connection."""
    return shape[1] == 1 or not _keeps_to_one_thread(strategy)


def without_threads(strategies: Iterable[str], wanted: Sequence[Shape]) -> Iterator[str]:
    """Strategies that several threads cannot share, each with the reason."""
    if any(threads > 1 for _, threads in wanted):
        for name in filter(_keeps_to_one_thread, strategies):
            yield f"{name} with several threads: they cannot share the one connection that it keeps open"


def _keeps_to_one_thread(strategy: str) -> bool:
    return strategy == CONTROL or get(strategy).conduct.holds_connection
