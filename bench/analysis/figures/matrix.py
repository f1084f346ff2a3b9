"""Strategy by driver by failure: what loses requests at a glance."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bench.analysis.requests import Kind
from bench.analysis.settings import Setting, varying
from bench.analysis.style import BLUE, GRID, INK, RED, WIDTH_IN, styled
from bench.function.record import Outcome


@styled
def matrix(settings: Sequence[Setting]) -> Figure | None:
    """Lost of all first-after-gap requests, a column for each setting; None if there is only one."""
    if len(settings) < 2:
        return None
    labels = list(dict.fromkeys(label for setting in settings for label in setting.strategies))[::-1]
    names = varying(settings)
    figure = Figure(figsize=(WIDTH_IN, 1.5 + 0.27 * len(labels)), layout="constrained")
    axis = figure.subplots()
    for column, setting in enumerate(settings):
        rows = setting.select(["label", "lost", "outcome"], Kind.FIRST_AFTER_GAP)
        for label, group in rows.groupby("label", observed=True):
            if label not in labels:
                continue
            lost, hung = int(group["lost"].sum()), int((group["outcome"] == Outcome.HANG).sum())
            place = labels.index(str(label))
            axis.barh(
                place,
                1,
                1,
                column - 0.5,
                color=BLUE if hung else RED,
                alpha=lost / len(group),
                edgecolor=GRID,
            )
            text = f"{lost}/{len(group)}" + (" hang" if hung else "")
            weight = "bold" if lost else "normal"
            axis.text(column, place, text, ha="center", va="center", fontsize=7, color=INK, fontweight=weight)
    heads = ["\n".join(str(setting.facts[name]) for name in names) for setting in settings]
    axis.set_xticks(range(len(settings)), heads, rotation=0 if len(settings) < 9 else 60)
    axis.set_yticks(range(len(labels)), labels)
    axis.set_xticks(np.arange(len(settings) + 1) - 0.5, minor=True)
    axis.set(xlim=(-0.5, len(settings) - 0.5), ylim=(-0.5, len(labels) - 0.5))
    axis.grid(visible=False)
    axis.xaxis.tick_top()
    axis.set_xlabel(f"{', '.join(names)}   (lost of sent; empty: not measured; fewer is better)")
    return figure
