"""Strategy by driver by failure: what loses requests at a glance."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.requests import Kind
from bench.analysis.settings import Setting, varying
from bench.analysis.style import BLUE, GRID, INK, RED, WIDTH_IN, styled
from bench.function.record import Outcome

COLUMN_IN = 0.62  # wide enough for a count and a code


@styled
def matrix(settings: Sequence[Setting]) -> Figure | None:
    """Lost first requests, a column for each setting; None if there is but one.

    After gaps beyond the timeout; where a setting has none, after those there are: its failure needs no gap.
    """
    if len(settings) < 2:
        return None
    labels = list(dict.fromkeys(label for setting in settings for label in setting.strategies))[::-1]
    size = (max(WIDTH_IN, 2 + COLUMN_IN * len(settings)), 1.5 + 0.36 * len(labels))
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    for column, setting in enumerate(settings):
        rows = setting.select(["label", "lost", "outcome", "error_code", "gap_seen"], Kind.FIRST_AFTER_GAP)
        beyond = rows[rows["gap_seen"] > 1]
        for label, group in (rows if beyond.empty else beyond).groupby("label", observed=True):
            if label in labels:
                _cell(axis, column, labels.index(str(label)), group)
    names = varying(settings)
    heads = ["\n".join(str(setting.facts[name]) for name in names) for setting in settings]
    axis.set_xticks(range(len(settings)), heads, rotation=0 if len(settings) < 7 else 60)
    axis.set_yticks(range(len(labels)), labels)
    axis.set(xlim=(-0.5, len(settings) - 0.5), ylim=(-0.5, len(labels) - 0.5))
    axis.grid(visible=False)
    axis.xaxis.tick_top()
    axis.set_xlabel(f"{', '.join(names)}   (lost of sent, with the error's code; fewer is better)")
    return figure


def _cell(axis: Axes, column: int, place: int, rows: pd.DataFrame) -> None:
    lost, hung = rows[rows["lost"]], bool((rows["outcome"] == Outcome.HANG).any())
    color, share = BLUE if hung else RED, len(lost) / len(rows)
    axis.barh(place, 1, 1, column - 0.5, color=color, alpha=0.7 * share, edgecolor=GRID)
    codes = [f"{code:.0f}" for code in sorted(lost["error_code"].dropna().unique())]
    text = "\n".join([f"{len(lost)}/{len(rows)}", *(["hang"] if hung else []), ", ".join(codes)]).strip()
    weight = "bold" if len(lost) else "normal"
    axis.text(column, place, text, ha="center", va="center", fontsize=7, color=INK, fontweight=weight)
