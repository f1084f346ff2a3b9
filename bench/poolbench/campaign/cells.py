"""The cells that a campaign's factors stand for."""

from collections.abc import Sequence
from dataclasses import dataclass

from poolbench.campaign.failures import MODES, USUAL
from poolbench.function.drivers import DEFAULT
from poolbench.function.drivers import get as get_driver
from poolbench.function.strategies import CONTROL, REFERENCE, get, misfit
from poolbench.function.workload import NOT_TWICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of factors, measured on one lane."""

    id: str
    strategy: str
    twin: bool  # the second half of the A/A pair: the same strategy again
    control: bool  # the request that touches no server
    gap_s: float
    gap_ratio: float  # gap / idle client timeout
    replicate: int
    workload: str
    failure: str  # what happens to connections, see poolbench.campaign.failures
    driver: str
    environments: int = 1  # at once
    threads: int = 1  # in each, on one engine

    @property
    def endpoint(self) -> str:
        """Where connections go: `database`, or one of the proxy's endpoints."""
        return MODES[self.failure].endpoint

    @property
    def arm(self) -> str:
        """Whether connections go through the proxy: `proxy` or `database`."""
        return "database" if MODES[self.failure].direct else "proxy"

    @property
    def label(self) -> str:
        """Name of the strategy with its twin told apart; what its connections announce to the server."""
        return f"{self.strategy}-twin" if self.twin else self.strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Everything of a cell but its gap and its number."""

    strategy: str
    driver: str
    failure: str
    twin: bool = False

    @property
    def id(self) -> str:
        """Its factors, less those that are as usual."""
        unusual = [
            *(["twin"] if self.twin else []),
            *([self.driver] if self.driver != DEFAULT else []),
            *([self.failure] if self.failure != USUAL else []),
        ]
        return "-".join([self.strategy, *unusual])


def contenders(
    strategies: Sequence[str], drivers: Sequence[str], failures: Sequence[str], workload: str
) -> tuple[tuple[Contender, ...], tuple[str, ...]]:
    """Cross the factors, less the combinations that cannot be, and say which those are and why.

    Where it is not asked for, the reference strategy is added, for each driver and failure; its A/A twin and
    the control are added with the first of both.
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
        Contender(strategy=name, driver=drivers[0], failure=failures[0], twin=name == REFERENCE)
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
