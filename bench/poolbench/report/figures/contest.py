"""A few strategies side by side: every first request beyond the timeout, every steady one, the commands."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from poolbench.report.requests import Kind
from poolbench.report.settings import Setting
from poolbench.report.statistics import quantile
from poolbench.report.style import INK, WIDTH_IN, look_of, name_of, styled

_POINTS = 2000  # of a strategy in a panel; more are drawn as one picture inside the chart
_COLUMNS = ["label", "kind", "lost", "latency_s", "gap_seen", "connects", "wire_commands"]


@styled
def contest(setting: Setting, labels: Sequence[str]) -> Figure | None:
    """One line for each of `labels` that was measured; None if none was."""
    shown = [label for label in labels if label in setting.labels][::-1]
    if not shown:
        return None
    rows = setting.select(_COLUMNS)
    first = (rows["kind"] == Kind.FIRST_AFTER_GAP) & (rows["gap_seen"] > 1)
    parts = {
        "first request beyond the timeout": rows[first],
        "steady request": rows[rows["kind"] == Kind.STEADY],
    }
    figure = Figure(figsize=(WIDTH_IN, 1.15 + 0.42 * len(shown)), layout="constrained")
    beyond, steady, commands = figure.subplots(1, 3, sharey=True, width_ratios=(1.25, 1.25, 0.8))
    for axis, (title, part) in zip((beyond, steady), parts.items(), strict=True):
        for place, label in enumerate(shown):
            _strip(axis, place, label, part[part["label"] == label])
        axis.set_title(title)
        _in_milliseconds(axis)
    ends = (*beyond.get_xlim(), *steady.get_xlim())
    for axis in (beyond, steady):  # one scale, so that the two can be compared
        axis.set_xlim(min(ends), max(ends))
    for place, label in enumerate(shown):
        for part, filled in zip(parts.values(), (True, False), strict=True):
            _count(commands, place, label, part[part["label"] == label], filled=filled)
    commands.set_title("commands on the wire")
    commands.set_xlim(left=0)
    commands.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    commands.set_xlabel("each   (fewer is better)")
    beyond.set(
        yticks=range(len(shown)),
        yticklabels=[name_of(label) for label in shown],
        ylim=(-0.6, len(shown) - 0.4),
    )
    figure.legend(handles=_legend(), loc="outside upper center", ncols=5, handletextpad=0.4)
    return figure


def _strip(axis: Axes, place: int, label: str, rows: pd.DataFrame) -> None:
    spread = np.random.default_rng(0).uniform(-0.26, 0.26, len(rows))
    latency, lost = 1e3 * rows["latency_s"].to_numpy(), rows["lost"].to_numpy()
    opened, color = rows["connects"].to_numpy() > 0, look_of(label).color
    for chosen, face in ((~lost & ~opened, "none"), (~lost & opened, color)):
        axis.scatter(
            latency[chosen],
            place + spread[chosen],
            s=7,
            facecolors=face,
            edgecolors=color,
            linewidth=0.5,
            alpha=0.6,
            rasterized=len(rows) > _POINTS,
        )
    axis.scatter(latency[lost], place + spread[lost], s=13, color=INK, marker="x", linewidth=0.7)
    if (~lost).any():
        median = quantile(latency[~lost], 0.5).value
        axis.vlines(median, place - 0.36, place + 0.36, color=INK, linewidth=1.6)


def _count(axis: Axes, place: int, label: str, rows: pd.DataFrame, *, filled: bool) -> None:
    color = look_of(label).color
    face = color if filled else "none"
    axis.plot(
        [rows["wire_commands"].mean()], [place], marker="o", color=color, markerfacecolor=face, markersize=6
    )


def _in_milliseconds(axis: Axes) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlabel("ms, log scale   (farther left is better)")


def _legend() -> list[Line2D]:
    def entry(label: str, marker: str, face: str) -> Line2D:
        return Line2D(
            [], [], linestyle="", color=INK, marker=marker, markerfacecolor=face, markersize=4, label=label
        )

    return [
        entry("reused a connection, or steady", "o", "none"),
        entry("opened one, or beyond the timeout", "o", INK),
        entry("lost", "x", INK),
        Line2D([], [], color=INK, linewidth=1.6, label="median of the answered"),
    ]
