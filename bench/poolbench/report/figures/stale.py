"""After a generation of pooled connections went stale together: which request pays for a new one."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from poolbench.model.row import Role
from poolbench.report.settings import Setting
from poolbench.report.style import INK, look_of, name_of, panels, styled


def after_stale(setting: Setting, label: str) -> pd.DataFrame:
    """Shares `lost` and `opened` of the requests after gaps beyond the timeout, by their ordinal, and `n`."""
    rows = setting.select(["role", "request", "gap_ratio", "lost", "connects"], label=label)
    rows = rows[(rows["role"] == Role.MEASURE) & (rows["gap_ratio"] > 1)]
    rows = rows.assign(opened=rows["connects"] > 0)
    groups = rows.groupby("request")
    return groups[["lost", "opened"]].mean().assign(n=groups.size())


@styled
def stale(setting: Setting, labels: Sequence[str]) -> Figure | None:
    """One panel for each of `labels` that was measured; None if none was."""
    shown = {label: rows for label in labels if len(rows := after_stale(setting, label))}
    if not shown:
        return None
    figure, axes = panels(len(shown), columns=4, height_in=2.0, sharex=True, sharey=True)
    for axis, (label, rows) in zip(axes, shown.items(), strict=True):
        _panel(axis, label, rows)
    axes[0].set_ylim(0, 1.08)
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(handles=_legend(), loc="outside upper center", ncols=2)
    figure.supxlabel("request after the gap, from 1")
    figure.supylabel("share of requests   (lower is better)")
    return figure


def _panel(axis: Axes, label: str, rows: pd.DataFrame) -> None:
    ordinals = rows.index.to_numpy() + 1
    axis.bar(ordinals, rows["opened"], color=look_of(label).color, width=0.6, alpha=0.6)
    lost = rows["lost"] > 0
    axis.plot(ordinals[lost], rows["lost"][lost], linestyle="", marker="x", color=INK, markersize=7)
    axis.set_title(name_of(label))


def _legend() -> list[Line2D]:
    return [
        Line2D([], [], linestyle="", marker="s", color=INK, alpha=0.6, label="opened a connection"),
        Line2D([], [], linestyle="", marker="x", color=INK, label="was lost"),
    ]
