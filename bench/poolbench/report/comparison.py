"""Strategies against the reference, paired within rounds, beside what the A/A pair says of the noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from poolbench.function.strategies import CONTROL, REFERENCE
from poolbench.report.requests import Kind
from poolbench.report.settings import Setting, twin_of
from poolbench.report.statistics import Estimate, Paired, holm, paired

BLOCK = ["campaign", "gap_ratio", "replicate", "round"]  # requests that were measured side by side
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """One label's answered requests of one kind against the reference's; see `statistics.Paired`.

    Attributes:
        label: what is compared.
        paired: medians of blocks; its p-value is adjusted by Holm for all labels.
        noise: relative difference that the A/A pair shows by noise alone, see `noise_share`.

    """

    label: str
    paired: Paired
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
        """NaN where there are too few blocks."""
        return self.paired.p_value

    @property
    def differs(self) -> bool:
        """Whether the difference is more than chance, all comparisons considered."""
        return self.p_value <= LEVEL

    @property
    def within_noise(self) -> bool:
        """Whether the same strategy measured twice may differ by as much."""
        return abs(math.log(self.ratio.value)) <= math.log1p(self.noise)


def block_medians(rows: pd.DataFrame) -> pd.DataFrame:
    """Median latency of the answered requests, one line a block and one column a label; seconds."""
    answered = rows[~rows["lost"]]
    medians = answered.groupby(["label", *BLOCK], observed=True)["latency_s"].median()
    return medians.unstack("label")


def compare(setting: Setting, kind: Kind = Kind.STEADY) -> tuple[Comparison, ...]:
    """Compare every label but the control with the reference strategy, over all gaps.

    Only blocks in which both have answered requests count. Empty if the reference was not measured.
    """
    medians = block_medians(setting.select(["label", "lost", "latency_s", *BLOCK], kind))
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
    """Ratio of the A/A pair: the same strategy twice, so whatever it differs from 1 by is noise."""
    return next((one.ratio for one in comparisons if one.label == twin_of(REFERENCE)), None)


def noise_share(noise: Estimate | None) -> float:
    """How far off 1 a ratio may be by noise alone: the farther end of the A/A interval, at least 1 %."""
    if noise is None or not math.isfinite(noise.high) or noise.low <= 0:
        return math.nan
    return max(0.01, noise.high - 1, 1 / noise.low - 1)
