"""Point figures of every strategy, gap and kind of request, small enough to keep beside the code."""

from typing import Any

import numpy as np
import pandas as pd

_GROUP = ["label", "gap_ratio", "kind"]
_QUANTILES = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99, "max_s": 1.0}
USED = (*_GROUP, "lost", "latency_s", "connects", "wire_commands")


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Aggregate rows that have the columns `USED`.

    Returns:
        One line for each group, with `n`, `lost`, latency quantiles of the answered requests in seconds (the
        inverse of their distribution function, so values that were observed; NaN if none was answered), and
        the means of `connects` and `wire_commands`.

    """
    groups = rows.groupby(_GROUP, observed=True)
    found = groups.agg(
        n=("lost", "size"),
        lost=("lost", "sum"),
        connects=("connects", "mean"),
        wire_commands=("wire_commands", "mean"),
    )
    codes = groups.ngroup().to_numpy()
    answered = ~rows["lost"].to_numpy()
    codes, latency = codes[answered], rows["latency_s"].to_numpy()[answered]
    ordered = latency[np.lexsort((latency, codes))]
    counts = np.bincount(codes, minlength=len(found))
    ends = np.cumsum(counts)
    some = counts > 0
    for name, q in _QUANTILES.items():
        ranks = np.maximum(np.ceil(q * counts).astype(int), 1)
        values = np.full(len(found), np.nan)
        values[some] = ordered[(ends - counts + ranks - 1)[some]]
        found[name] = values
    return found[["n", "lost", *_QUANTILES, "connects", "wire_commands"]]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Lines of `summarise`, as JSON holds them."""
    named = table.reset_index().astype({"label": str, "kind": str}).to_dict("records")
    return [plain(record) for record in named]


def plain(value: Any) -> Any:
    """What JSON can hold, and a diff can show: six digits, None for what is no number."""
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value
