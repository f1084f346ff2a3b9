"""After the pool's connections went stale together: which requests open a new one."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from poolbench.report.charts import style


@style.styled
def stale(found: Mapping[str, pd.DataFrame]) -> Figure | None:
    """One panel for each strategy, with the columns of `failures.after_stale`; None without any rows."""
    shown = {label: rows for label, rows in found.items() if len(rows)}
    if not shown:
        return None
    figure, axes = style.panels(len(shown), columns=4, height_in=2.0, sharex=True, sharey=True)
    for axis, (label, rows) in zip(axes, shown.items(), strict=True):
        _panel(axis, label, rows)
    axes[0].set_ylim(0, 1.08)
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    style.legend_above(figure, _legend(), columns=2)
    figure.supxlabel("request after the gap, from 1")
    figure.supylabel("share of requests   (lower is better)")
    return figure


def _panel(axis: Axes, label: str, rows: pd.DataFrame) -> None:
    ordinals = rows.index.to_numpy() + 1
    axis.bar(ordinals, rows["opened"], color=style.look_of(label).color, width=0.6, alpha=0.6)
    failed = rows["failed"] > 0
    axis.plot(
        ordinals[failed], rows["failed"][failed], linestyle="", marker="x", color=style.INK, markersize=7
    )
    axis.set_title(style.name_of(label))


def _legend() -> list[Line2D]:
    return [
        Line2D([], [], linestyle="", marker="s", color=style.INK, alpha=0.6, label="opened a connection"),
        Line2D([], [], linestyle="", marker="x", color=style.INK, label="failed"),
    ]
