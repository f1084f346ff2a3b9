"""The main table: what each strategy did at each gap, as figures with intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from poolbench.function.strategies import REFERENCE
from poolbench.report.comparison import BLOCK, block_medians
from poolbench.report.requests import Kind
from poolbench.report.settings import Setting
from poolbench.report.statistics import Estimate, Mixture, Quantiles, mixture, paired, rate

_USED = ["label", "kind", "lost", "latency_s", "gap_seen", "connects", "wire_commands", *BLOCK]


@dataclass(frozen=True, slots=True, kw_only=True)
class MainRow:
    """One strategy at one gap.

    Attributes:
        label: strategy, with the twin of the A/A pair told apart.
        gap_ratio: gap asked for, as a multiple of the idle client timeout.
        gap_seen: median of the gaps observed, likewise.
        lost: requests that failed or hung, among first-after-gap requests; its n is how many there were.
        lost_count: the same as a number.
        first: latency of the first-after-gap requests that were answered.
        first_mixture: of those, how many opened a connection, and both medians.
        recovered: requests right after a lost one that were answered.
        steady: latency of the requests that followed an answered one.
        steady_lost: of those that followed an answered one, how many were lost.
        steady_ratio: steady medians to the reference strategy's in the same rounds; the reference is 1.
        connects: connections opened per first-after-gap request.
        wire_commands: commands per first-after-gap request; NaN if the driver was not counted.
        wire_commands_steady: commands per steady request, likewise.

    """

    label: str
    gap_ratio: float
    gap_seen: float
    lost: Estimate
    lost_count: int
    first: Quantiles
    first_mixture: Mixture
    recovered: Estimate
    steady: Quantiles
    steady_lost: int
    steady_ratio: Estimate
    connects: float
    wire_commands: float
    wire_commands_steady: float


def main_table(setting: Setting) -> tuple[MainRow, ...]:
    """One row for each strategy and gap, in the campaign's order of strategies."""
    kinds = [Kind.FIRST_AFTER_GAP, Kind.AFTER_LOSS, Kind.STEADY]
    rows = setting.rows[_USED]  # before anything is selected from it: a million rows of all columns are many
    rows = rows[rows["kind"].isin(kinds)]
    parts = {
        keys: part
        for keys, part in rows.groupby(["label", "gap_ratio", "kind"], observed=True, sort=False)
        if isinstance(keys, tuple)
    }
    medians = block_medians(rows[rows["kind"] == Kind.STEADY])
    empty = rows.iloc[:0]
    found = rows[["label", "gap_ratio"]].drop_duplicates().sort_values(["label", "gap_ratio"])
    return tuple(
        _main_row(label, gap, [parts.get((label, gap, kind), empty) for kind in kinds], medians)
        for label, gap in found.itertuples(index=False)
    )


def _main_row(label: str, gap: float, parts: Sequence[pd.DataFrame], medians: pd.DataFrame) -> MainRow:
    first, after_loss, steady = parts
    answered = first[~first["lost"]]
    steady_answered = steady[~steady["lost"]]
    lost = int(first["lost"].sum())
    return MainRow(
        label=label,
        gap_ratio=gap,
        gap_seen=float(first["gap_seen"].median()),
        lost=rate(lost, len(first)),
        lost_count=lost,
        first=Quantiles.of(answered["latency_s"].to_numpy()),
        first_mixture=mixture(answered["latency_s"], answered["connects"] > 0),
        recovered=rate(int((~after_loss["lost"]).sum()), len(after_loss)),
        steady=Quantiles.of(steady_answered["latency_s"].to_numpy()),
        steady_lost=int(steady["lost"].sum()),
        steady_ratio=_steady_ratio(label, gap, medians),
        connects=float(first["connects"].mean()),
        wire_commands=float(first["wire_commands"].mean()),
        wire_commands_steady=float(steady["wire_commands"].mean()),
    )


def _steady_ratio(label: str, gap: float, medians: pd.DataFrame) -> Estimate:
    if not {label, REFERENCE} <= set(medians.columns):  # one of them has no answered request at all
        return Estimate(math.nan, -math.inf, math.inf, 0)
    of_gap = medians[medians.index.get_level_values("gap_ratio") == gap]
    pairs = of_gap.dropna(subset=[label, REFERENCE])
    return paired(pairs[label], pairs[REFERENCE]).ratio
