"""Where pool_recycle alone must fail, by SQLAlchemy's rule, and whether the rows agree.

The pool compares the age of a connection, counted from its connect, with `pool_recycle`, at checkout and
nowhere else. With a recycle longer than the idle client timeout, a request fails exactly if
    gap > timeout   and   age at last use + gap <= recycle.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from poolbench.function.strategies import STRATEGIES, Conduct
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import Scenario

_USED = ["kind", "failed", "connects", "recycles", "started_wall_ns", "done_wall_ns", "observed_idle"]
_ENGINE = ["campaign", "cell", "attempt", "environment"]
_TOO_CLOSE = 0.02  # of a timeout: the pool's clock and ours are not read at the same instant


@dataclass(frozen=True, slots=True)
class RecycleCheck:
    """Requests to which the pool offered a connection, checked against the rule."""

    recycle: float  # `pool_recycle` in idle client timeouts
    rows: pd.DataFrame  # see `offered`
    as_predicted: int  # how many of `sure` ended as the rule says
    sure: int  # requests whose outcome does not depend on less than the clocks can tell


def recycle_checks(scenario: Scenario) -> Mapping[str, RecycleCheck]:
    """The check of each strategy that only recycles, if its pool offered any connection."""
    found = {}
    for label in scenario.strategies:
        recycle = recycle_of(label)
        if recycle is not None and len(rows := offered(scenario, label)):
            sure = rows[~rows["close"]]
            agreeing = int((sure["failed"] == sure["predicted"]).sum())
            found[label] = RecycleCheck(recycle, rows, agreeing, len(sure))
    return found


def recycle_of(label: str) -> float | None:
    """`pool_recycle` in idle client timeouts; None if the strategy has none or does more than recycle."""
    strategy = STRATEGIES.get(label)
    if strategy is None or strategy.engine or strategy.listeners or strategy.conduct != Conduct():
        return None
    return strategy.recycle


def offered(scenario: Scenario, label: str) -> pd.DataFrame:
    """First requests after gaps to which the pool could offer a connection, with its age at last use.

    Returns:
        The rows with columns `age`, at last use, and `gap`, both in idle client timeouts; `predicted`,
        whether the rule says that they fail; and `close`, whether that depends on less than the clocks can
        tell.

    """
    rows = scenario.select([*_ENGINE, *_USED], label=label)
    engine = rows.groupby(_ENGINE, observed=True, sort=False).ngroup()
    opened = rows["started_wall_ns"].where(rows["connects"] > 0).groupby(engine).ffill()
    columns = {"opened": opened, "used": rows["done_wall_ns"], "failed": rows["failed"].astype(float)}
    before = pd.DataFrame(columns).groupby(engine).shift()
    age = (before["used"] - before["opened"]) / (1e9 * scenario.timeout_s)
    found = rows.assign(age=age, gap=rows["observed_idle"])
    # A failed request leaves no connection behind, so that the pool offers none to the next one.
    is_first = rows["kind"] == RequestKind.FIRST_AFTER_GAP
    found = found[is_first & (before["failed"] == 0) & age.notna()]
    recycle = recycle_of(label)
    assert recycle is not None
    recycled = found["age"] + found["gap"] > recycle
    close = (found["gap"] - 1).abs() < _TOO_CLOSE
    close |= (found["age"] + found["gap"] - recycle).abs() < _TOO_CLOSE
    return found.assign(predicted=(found["gap"] > 1) & ~recycled, close=close)
