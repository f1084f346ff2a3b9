"""Where pool_recycle alone must fail, from SQLAlchemy's rule, and what the rows say of it.

The pool compares a connection's age since it was opened with `pool_recycle`, at checkout and nowhere else.
So with a recycle longer than the idle client timeout a request is lost exactly if
    gap > timeout   and   age at last use + gap <= recycle.
"""

import pandas as pd

from poolbench.function.strategies import STRATEGIES, Conduct
from poolbench.report.requests import Kind
from poolbench.report.settings import Setting

_USED = ["kind", "lost", "connects", "recycles", "started_wall_ns", "done_wall_ns", "gap_seen"]
_ENGINE = ["campaign", "cell", "attempt", "environment"]
_TOO_CLOSE = 0.02  # of a timeout: the pool's clock and ours are not read at the same instant


def recycle_of(label: str) -> float | None:
    """`pool_recycle` in idle client timeouts; None if the strategy has none or does other things too."""
    strategy = STRATEGIES.get(label)
    if strategy is None or strategy.engine or strategy.listeners or strategy.conduct != Conduct():
        return None
    return strategy.recycle


def offered(setting: Setting, label: str) -> pd.DataFrame:
    """First-after-gap requests to which the pool could offer a connection, with its age at last use.

    Returns:
        The rows with columns `age`, at last use, and `gap`, both in idle client timeouts; `lost_predicted`;
        and `close`, whether the rule's outcome hangs on less than the clocks can tell.

    """
    rows = setting.select([*_ENGINE, *_USED], label=label)
    engine = rows.groupby(_ENGINE, observed=True, sort=False).ngroup()
    opened = rows["started_wall_ns"].where(rows["connects"] > 0).groupby(engine).ffill()
    state = pd.DataFrame({"opened": opened, "used": rows["done_wall_ns"], "lost": rows["lost"].astype(float)})
    before = state.groupby(engine).shift()
    age = (before["used"] - before["opened"]) / (1e9 * setting.timeout_s)
    found = rows.assign(age=age, gap=rows["gap_seen"])
    # A lost request leaves no connection behind, so the next one is offered none.
    found = found[(rows["kind"] == Kind.FIRST_AFTER_GAP) & (before["lost"] == 0) & age.notna()]
    recycle = recycle_of(label)
    assert recycle is not None
    recycled = found["age"] + found["gap"] > recycle
    close = (found["gap"] - 1).abs() < _TOO_CLOSE
    close |= (found["age"] + found["gap"] - recycle).abs() < _TOO_CLOSE
    return found.assign(lost_predicted=(found["gap"] > 1) & ~recycled, close=close)
