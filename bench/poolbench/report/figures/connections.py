"""Open connections over time: client to proxy by strategy, and proxy to database."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from poolbench.report.settings import Setting
from poolbench.report.statistics import Values
from poolbench.report.style import INK, WIDTH_IN, look_of, name_of, styled

CLIENTS, BACKENDS, THREADS = "ClientConnections", "DatabaseConnections", "Threads_connected"
_COLUMNS = 3


@styled
def connections(setting: Setting) -> Figure | None:
    """One panel for each strategy and one for the database side; None where nothing was sampled.

    Of several campaigns the first is shown, since their clocks have nothing to do with each other.
    """
    series = setting.connections
    if series.empty:
        return None
    series = series[series["campaign"] == setting.rows["campaign"].iloc[0]]
    series = series.assign(seconds=(series["wall_ns"] - series["wall_ns"].min()) / 1e9)
    clients = series[(series["source"] == "proxy") & (series["metric"] == CLIENTS)]
    labels = [label for label in setting.strategies if (clients["group"] == label).any()]
    above = -(-len(labels) // _COLUMNS)
    figure = Figure(figsize=(WIDTH_IN, 1.35 * (above + 1) + 0.4), layout="constrained")
    grid = figure.add_gridspec(above + 1, _COLUMNS)
    first: Axes | None = None
    for place, label in enumerate(labels):
        axis = figure.add_subplot(grid[divmod(place, _COLUMNS)], sharex=first, sharey=first)
        first = first or axis
        one = clients[clients["group"] == label]
        seconds, values = _corners(one)
        axis.fill_between(seconds, values, step="post", color=look_of(label).color, alpha=0.35, linewidth=0)
        _step(axis, one, color=look_of(label).color, linewidth=1)
        axis.set_title(name_of(label))
        axis.set_title(f"mean {one['value'].mean():.1f}", loc="right", fontweight="normal")
        _scale(axis, clients["value"].max())
    below = figure.add_subplot(grid[above, :], sharex=first)
    for metric, name, line in (
        (BACKENDS, "opened by the proxy", "-"),
        (THREADS, "all that the server has", (0, (1, 1))),
    ):
        one = series[(series["metric"] == metric) & (series["group"] == "")]
        if len(one):
            _step(below, one, color=INK, linestyle=line, label=name)
    below.set_title("proxy to database")
    if below.get_legend_handles_labels()[0]:
        below.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    _scale(below, below.dataLim.y1)
    figure.supxlabel("time since the campaign began, s")
    figure.supylabel("open connections   (fewer is better)")
    return figure


def _corners(series: pd.DataFrame) -> tuple[Values, Values]:
    """Times and values, without points that repeat the one before: they add nothing to a step but bytes."""
    seconds, values = series["seconds"].to_numpy(float), series["value"].to_numpy(float)
    keep = np.ones(len(values), bool)
    keep[1:-1] = values[1:-1] != values[:-2]
    return seconds[keep], values[keep]


def _step(axis: Axes, series: pd.DataFrame, **look: Any) -> None:
    axis.step(*_corners(series), where="post", **look)


def _scale(axis: Axes, highest: float) -> None:
    axis.set_ylim(0, 1.08 * max(highest, 1))
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
