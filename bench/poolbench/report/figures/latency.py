"""Latency of the first request after a gap: every single one."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from poolbench.report.requests import Kind
from poolbench.report.settings import Setting
from poolbench.report.statistics import quantile
from poolbench.report.style import INK, MUTED, look_of, name_of, panels, styled

_NAMES_ABREAST = 14  # characters of gaps below a panel; more are set upright
_VECTOR_POINTS = 5000  # more than these are drawn as one picture inside the chart


@styled
def first_latency(setting: Setting) -> Figure:
    """Every point for each strategy and gap, with medians apart for reused and opened connections."""
    labels = setting.labels
    figure, axes = panels(len(labels), columns=4, height_in=1.85, sharex=True, sharey=True)
    columns = ["label", "gap_ratio", "latency_s", "lost", "connects"]
    rows = setting.select(columns, Kind.FIRST_AFTER_GAP)
    gaps = sorted(rows["gap_ratio"].unique())
    reference = quantile(1e3 * rows.loc[~rows["lost"] & (rows["label"] == labels[0]), "latency_s"], 0.5).value
    for axis, label in zip(axes, labels, strict=True):
        axis.axhline(reference, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        for place, gap in enumerate(gaps):
            group = rows[(rows["label"] == label) & (rows["gap_ratio"] == gap)]
            _strip(axis, place, group, look_of(label).color, rasterized=len(rows) > _VECTOR_POINTS)
        beyond = sum(gap <= 1 for gap in gaps) - 0.5
        axis.axvline(beyond, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        axis.set_title(name_of(label))
    axes[0].set_yscale("log")
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[0].yaxis.set_minor_locator(NullLocator())
    axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    names = [f"{gap:g}" for gap in gaps]
    for axis in axes:
        axis.set_xticks(range(len(gaps)), names, rotation=90 if len("".join(names)) > _NAMES_ABREAST else 0)
    figure.legend(handles=_legend(labels[0]), loc="outside upper center", ncols=5, handletextpad=0.4)
    figure.supxlabel("gap asked for ÷ idle client timeout   (dashed: the timeout)")
    figure.supylabel("latency, ms, log scale   (lower is better)")
    return figure


def _strip(axis: Axes, place: int, group: pd.DataFrame, color: str, *, rasterized: bool) -> None:
    jitter = np.random.default_rng(place).uniform(-0.3, 0.3, len(group))
    latency = 1e3 * group["latency_s"].to_numpy()
    lost, opened = group["lost"].to_numpy(), group["connects"].to_numpy() > 0
    common: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.75, "rasterized": rasterized}
    for chosen, filled in ((~lost & ~opened, False), (~lost & opened, True)):
        axis.scatter(
            place + jitter[chosen],
            latency[chosen],
            s=9,
            edgecolors=color,
            facecolors=color if filled else "none",
            **common,
        )
        if chosen.any():
            median = quantile(latency[chosen], 0.5)
            axis.hlines(median.value, place - 0.42, place + 0.42, color=INK, linewidth=1.3)
    axis.scatter(place + jitter[lost], latency[lost], s=14, color=INK, marker="x", **common)


def _legend(reference: str) -> list[Line2D]:
    def entry(label: str, **look: Any) -> Line2D:
        return Line2D([], [], label=label, linestyle="", color=INK, **look)

    return [
        entry("reused a connection", marker="o", markerfacecolor="none", markersize=4),
        entry("opened one", marker="o", markersize=4),
        entry("lost (time until the error)", marker="x", markersize=4),
        Line2D([], [], color=INK, label="median"),
        Line2D([], [], color=MUTED, linestyle=(0, (1, 2)), label=f"median of {name_of(reference)}"),
    ]
