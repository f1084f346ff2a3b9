"""Whether the clocks of an execution environment agree: gaps, and the pool's own rules, rest on them."""

import numpy as np
import pandas as pd

_CLOCKS = ("wall", "monotonic", "boottime")
USED = (
    *("campaign", "cell", "gap_s"),
    *(f"{moment}_{clock}_ns" for moment in ("started", "done") for clock in _CLOCKS),
)


def within_requests(rows: pd.DataFrame) -> "pd.Series[float]":
    """Seconds by which the clocks differ over each request; none where the function was killed before."""
    read = rows[rows["started_monotonic_ns"] > 0]
    spans = {clock: (read[f"done_{clock}_ns"] - read[f"started_{clock}_ns"]) / 1e9 for clock in _CLOCKS}
    return pd.Series(
        np.maximum((spans["wall"] - spans["boottime"]).abs(), (spans["monotonic"] - spans["boottime"]).abs())
    )


def over_gaps(rows: pd.DataFrame) -> "pd.Series[float]":
    """Seconds by which wall and boot clock differ on the gap before each request; NaN where there was none.

    `pool_recycle` goes by the wall clock, what rows call a gap by the boot clock.
    """
    read = rows[rows["started_monotonic_ns"] > 0]
    before = rows.groupby(["campaign", "cell"], observed=True)[["done_wall_ns", "done_boottime_ns"]].shift()
    before = before[before["done_boottime_ns"] > 0]
    by_wall = (read["started_wall_ns"] - before["done_wall_ns"]) / 1e9
    return (by_wall - read["gap_s"]).abs()
