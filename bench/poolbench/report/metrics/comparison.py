"""Strategies against the reference, paired within rounds, with the noise that the A/A control shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from poolbench.function.strategies import CONTROL, REFERENCE
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import AA_CONTROL, Scenario
from poolbench.report.statistics import Estimate, Paired, holm, paired

BLOCK = ["campaign", "gap_ratio", "replicate", "round"]  # requests that were measured side by side
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """Successful requests of one label against the reference's; see `statistics.Paired`."""

    label: str  # what is compared
    paired: Paired  # medians of blocks; its p-value is adjusted by Holm for all labels
    # relative difference that the A/A control shows by noise alone, see `noise_share`
    noise: float = math.nan

    @property
    def ratio(self) -> Estimate:
        """To the reference."""
        return self.paired.ratio

    @property
    def difference(self) -> Estimate:
        """From the reference, in seconds."""
        return self.paired.difference

    @property
    def p_value(self) -> float:
        """NaN with too few blocks."""
        return self.paired.p_value

    @property
    def differs(self) -> bool:
        """Whether the difference is more than chance, all comparisons considered."""
        return self.p_value <= _LEVEL

    @property
    def within_noise(self) -> bool:
        """Whether the same strategy measured twice may differ by as much."""
        return abs(math.log(self.ratio.value)) <= math.log1p(self.noise)


def block_medians(rows: pd.DataFrame) -> pd.DataFrame:
    """Median latency of the successful requests in seconds, one line a block and one column a label."""
    succeeded = rows[~rows["failed"]]
    medians = succeeded.groupby(["label", *BLOCK], observed=True)["latency_s"].median()
    return medians.unstack("label")


def ratio_at_gap(medians: pd.DataFrame, label: str, gap: float) -> Estimate:
    """A label's block medians to the reference's, at one gap; see `block_medians`."""
    if not {label, REFERENCE} <= set(medians.columns):  # one of them has no successful request at all
        return Estimate(math.nan, -math.inf, math.inf, 0)
    of_gap = medians[medians.index.get_level_values("gap_ratio") == gap]
    pairs = of_gap.dropna(subset=[label, REFERENCE])
    return paired(pairs[label], pairs[REFERENCE]).ratio


def compare(scenario: Scenario) -> tuple[Comparison, ...]:
    """Compare the warm requests of every label with the reference's, over all gaps.

    Only blocks in which both have successful requests count. Empty if the reference was not measured.
    """
    columns = ["label", "failed", "latency_s", *BLOCK]
    medians = block_medians(scenario.select(columns, RequestKind.WARM))
    if REFERENCE not in medians:
        return ()
    found = []
    for label in medians.columns.drop([REFERENCE, CONTROL], errors="ignore"):
        pairs = medians[[label, REFERENCE]].dropna()
        found.append(Comparison(str(label), paired(pairs[label], pairs[REFERENCE])))
    noise = noise_share(noise_floor(found))
    adjusted = iter(holm([one.p_value for one in found if not math.isnan(one.p_value)]))
    return tuple(
        one
        if math.isnan(one.p_value)
        else replace(one, paired=replace(one.paired, p_value=next(adjusted)), noise=noise)
        for one in found
    )


def noise_floor(comparisons: Sequence[Comparison]) -> Estimate | None:
    """Ratio of the A/A control: the same strategy twice, so any difference from 1 is noise."""
    return next((one.ratio for one in comparisons if one.label == AA_CONTROL), None)


def noise_share(noise: Estimate | None) -> float:
    """How far from 1 a ratio may be by noise alone: the farther end of the A/A interval, at least 1 %."""
    if noise is None or not math.isfinite(noise.high) or noise.low <= 0:
        return math.nan
    return max(0.01, noise.high - 1, 1 / noise.low - 1)
