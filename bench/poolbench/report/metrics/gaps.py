"""What each strategy did at each gap: the main table, the failure rate against the gap, the summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from poolbench.report.metrics.comparison import BLOCK, block_medians, ratio_at_gap
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import Scenario
from poolbench.report.statistics import Estimate, Mixture, Quantiles, mixture, rate


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """One strategy at one gap."""

    label: str  # strategy, or one of the controls
    gap_ratio: float  # gap asked for, as a multiple of the idle client timeout
    observed_idle: float  # median of the observed idle times, likewise
    failed: Estimate  # share of first requests after the gap that failed or hung
    failed_count: int  # the same as a number
    first: Quantiles  # latency of the successful first requests after the gap
    first_mixture: Mixture  # their median by whether they opened a connection
    recovered: Estimate  # share of requests right after a failed one that succeeded
    warm: Quantiles  # latency of the successful warm requests
    warm_ratio: Estimate  # their medians to the reference strategy's in the same rounds; the reference is 1
    connects: float  # connections opened per first request after the gap
    wire_commands: float  # commands per first request after the gap; NaN if they were not counted


_USED = ["label", "kind", "failed", "latency_s", "observed_idle", "connects", "wire_commands", *BLOCK]
_KINDS = (RequestKind.FIRST_AFTER_GAP, RequestKind.AFTER_FAILURE, RequestKind.WARM)


def main_table(scenario: Scenario) -> tuple[GapRow, ...]:
    """One row for each strategy and gap, in the campaign's order of strategies."""
    rows = scenario.rows[_USED]  # before anything is selected from it: a million rows of all columns are many
    rows = rows[rows["kind"].isin(_KINDS)]
    parts = {
        keys: part
        for keys, part in rows.groupby(["label", "gap_ratio", "kind"], observed=True, sort=False)
        if isinstance(keys, tuple)
    }
    medians = block_medians(rows[rows["kind"] == RequestKind.WARM])
    empty = rows.iloc[:0]
    found = rows[["label", "gap_ratio"]].drop_duplicates().sort_values(["label", "gap_ratio"])
    return tuple(
        _gap_row(
            label,
            gap,
            [parts.get((label, gap, kind), empty) for kind in _KINDS],
            ratio_at_gap(medians, label, gap),
        )
        for label, gap in found.itertuples(index=False)
    )


def _gap_row(label: str, gap: float, parts: Sequence[pd.DataFrame], ratio: Estimate) -> GapRow:
    first, after_failure, warm = parts
    succeeded = first[~first["failed"]]
    failed = int(first["failed"].sum())
    return GapRow(
        label=label,
        gap_ratio=gap,
        observed_idle=float(first["observed_idle"].median()),
        failed=rate(failed, len(first)),
        failed_count=failed,
        first=Quantiles.of(succeeded["latency_s"].to_numpy()),
        first_mixture=mixture(succeeded["latency_s"], succeeded["connects"] > 0),
        recovered=rate(int((~after_failure["failed"]).sum()), len(after_failure)),
        warm=Quantiles.of(warm.loc[~warm["failed"], "latency_s"].to_numpy()),
        warm_ratio=ratio,
        connects=float(first["connects"].mean()),
        wire_commands=float(first["wire_commands"].mean()),
    )


@dataclass(frozen=True, slots=True)
class FailureCurve:
    """How often the first request after a gap failed, against the gap."""

    # observed idle time as a multiple of the timeout, and the failure rate, from left to right
    points: tuple[tuple[float, Estimate], ...]
    failed: int  # number of failed requests over all gaps
    n: int  # number of requests over all gaps


def failure_curves(scenario: Scenario) -> Mapping[str, FailureCurve]:
    """The curve of each strategy and control."""
    return {label: _failure_curve(scenario, label) for label in scenario.labels}


def _failure_curve(scenario: Scenario, label: str) -> FailureCurve:
    """Each gap asked for, at the median of the observed idle times."""
    columns = ["gap_ratio", "observed_idle", "failed"]
    rows = scenario.select(columns, RequestKind.FIRST_AFTER_GAP, label)
    # Idle times of a gap just short of the timeout may be on either side of the timeout.
    groups = rows.groupby(["gap_ratio", rows["observed_idle"] > 1], observed=True)
    points = [
        (float(group["observed_idle"].median()), rate(int(group["failed"].sum()), len(group)))
        for _, group in groups
    ]
    ordered = tuple(sorted(points, key=lambda point: point[0]))
    return FailureCurve(ordered, int(rows["failed"].sum()), len(rows))


_GROUP = ["label", "gap_ratio", "kind"]
_QUANTILES = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99, "max_s": 1.0}
SUMMARISED = (*_GROUP, "failed", "latency_s", "connects", "wire_commands")


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Aggregate rows that have the columns `SUMMARISED`.

    Returns:
        One line for each strategy, gap and kind of request, with `n`, `failed`, latency quantiles of the
        successful requests in seconds (the inverse of their distribution function, so observed values; NaN if
        none succeeded), and the means of `connects` and `wire_commands`.

    """
    groups = rows.groupby(_GROUP, observed=True)
    found = groups.agg(
        n=("failed", "size"),
        failed=("failed", "sum"),
        connects=("connects", "mean"),
        wire_commands=("wire_commands", "mean"),
    )
    codes = groups.ngroup().to_numpy()
    succeeded = ~rows["failed"].to_numpy()
    codes, latency = codes[succeeded], rows["latency_s"].to_numpy()[succeeded]
    ordered = latency[np.lexsort((latency, codes))]
    counts = np.bincount(codes, minlength=len(found))
    ends = np.cumsum(counts)
    some = counts > 0
    for name, q in _QUANTILES.items():
        ranks = np.maximum(np.ceil(q * counts).astype(int), 1)
        values = np.full(len(found), np.nan)
        values[some] = ordered[(ends - counts + ranks - 1)[some]]
        found[name] = values
    return found[["n", "failed", *_QUANTILES, "connects", "wire_commands"]]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Lines of `summarise`, as JSON holds them."""
    named = table.reset_index().astype({"label": str, "kind": str}).to_dict("records")
    return [plain(record) for record in named]


def plain(value: Any) -> Any:
    """What JSON can hold and a diff can show: six digits, None for infinity and NaN."""
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value
