"""Strategies against the reference, paired within rounds, beside what the A/A pair says of the noise."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from bench.analysis.requests import Kind
from bench.analysis.settings import Setting, twin_of
from bench.analysis.statistics import Estimate, difference_within_blocks, holm, ratio_within_blocks
from bench.function.strategies import CONTROL, REFERENCE

BLOCK = ["campaign", "gap_ratio", "replicate", "round"]  # requests that were measured side by side
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """One label's answered requests of one kind against the reference's.

    Attributes:
        label: what is compared.
        ratio: of block medians to the reference's, geometric mean.
        difference: of block medians, mean, in seconds.
        p_value: of Wilcoxon's signed-rank test on the blocks, adjusted by Holm for all labels; NaN if no
            number of blocks like this could ever reach the level.

    """

    label: str
    ratio: Estimate
    difference: Estimate
    p_value: float

    @property
    def differs(self) -> bool:
        """Whether the difference is more than chance, all comparisons considered."""
        return self.p_value <= LEVEL


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
        pairs = medians[[label, REFERENCE]].dropna().to_numpy()
        values, reference = pairs[:, 0], pairs[:, 1]
        ratio, difference = (
            ratio_within_blocks(values, reference),
            difference_within_blocks(values, reference),
        )
        found.append(Comparison(label, ratio, difference, _p_value(values, reference)))
    reachable = [one.p_value for one in found if not math.isnan(one.p_value)]
    adjusted = iter(holm(reachable))
    return tuple(
        one if math.isnan(one.p_value) else Comparison(one.label, one.ratio, one.difference, next(adjusted))
        for one in found
    )


def _p_value(values: np.ndarray, reference: np.ndarray) -> float:
    if 2.0 ** (1 - len(values)) > LEVEL or not np.any(values != reference):
        return math.nan
    return float(stats.wilcoxon(np.log(values), np.log(reference)).pvalue)


def noise_floor(comparisons: tuple[Comparison, ...]) -> Estimate | None:
    """Ratio of the A/A pair: the same strategy twice, so whatever it differs from 1 by is noise."""
    return next((one.ratio for one in comparisons if one.label == twin_of(REFERENCE)), None)


def noise_share(noise: Estimate | None) -> float:
    """How far off 1 a ratio may be by noise alone: the farther end of the A/A interval, at least 1 %."""
    if noise is None or not math.isfinite(noise.high) or noise.low <= 0:
        return math.nan
    return max(0.01, noise.high - 1, 1 / noise.low - 1)
