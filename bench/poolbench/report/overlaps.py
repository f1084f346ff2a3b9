"""Whether measured windows overlap: requests of two environments at once compete for the same server."""

import numpy as np
import pandas as pd

TOLERANCE_S = 0.005  # wall clocks of different hosts agree no better


def overlapping(rows: pd.DataFrame) -> int:
    """Count requests that began while one of another environment was under way."""
    count = 0
    for _, part in rows[rows["started_monotonic_ns"] > 0].groupby("campaign", observed=True):
        ordered = part.sort_values("started_wall_ns")
        started = ordered["started_wall_ns"].to_numpy()
        done = np.maximum.accumulate(ordered["done_wall_ns"].to_numpy())
        environment = ordered["environment"].to_numpy()
        early = started[1:] < done[:-1] - round(TOLERANCE_S * 1e9)
        count += int((early & (environment[1:] != environment[:-1])).sum())
    return count
