"""The whole distribution with its tail: how many requests still wait after so many milliseconds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from poolbench.report.requests import Kind
from poolbench.report.settings import Setting
from poolbench.report.style import look_of, name_of, panels, styled

_LEGEND_LETTERS = 112  # side by side, a line and a gap before each name counted as seven
_LISTED = 5  # strategies that lost some; more would hide the lines
_STEPS = 400  # of a line; more than a chart can show


@styled
def unanswered(setting: Setting) -> Figure | None:
    """Complement of the ECDF, both axes logarithmic; lost requests are never answered and level the line off.

    Nothing is left out: a line that ends at the right above zero is the share of requests that were lost.
    None where every one was.
    """
    rows = setting.select(["label", "lost", "latency_s", "gap_seen"], Kind.FIRST_AFTER_GAP)
    rows = rows[rows["label"].isin(setting.strategies)]
    answered = 1e3 * rows.loc[~rows["lost"], "latency_s"]
    if answered.empty:
        return None
    sides = {
        "gap within the timeout": rows[rows["gap_seen"] <= 1],
        "gap beyond the timeout": rows[rows["gap_seen"] > 1],
    }
    sides = {title: chosen for title, chosen in sides.items() if len(chosen)}
    columns = _legend_columns([name_of(label) for label in setting.strategies])
    height_in = 2.8 + 0.18 * -(-len(setting.strategies) // columns)
    figure, axes = panels(len(sides), columns=2, height_in=height_in, sharex=True, sharey=True)
    left, right = 0.7 * float(answered.min()), 1.5 * float(answered.max())
    for axis, (title, chosen) in zip(axes, sides.items(), strict=True):
        never = [
            text
            for label in setting.strategies
            if (text := _line(axis, label, chosen[chosen["label"] == label], left, right))
        ]
        axis.set_title(title)
        if len(never) > _LISTED:
            axis.set_title(f"{len(never)} strategies left some unanswered for ever", loc="right")
        elif never:
            said = "\n".join(["never answered:", *never])
            axis.text(0.02, 0.04, said, transform=axis.transAxes, fontsize=8)
    axes[0].set_xlim(left, right * 1.08)
    axes[0].set(xscale="log", yscale="log")
    axes[0].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[0].xaxis.set_minor_locator(NullLocator())
    axes[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[0].yaxis.set_minor_locator(NullLocator())
    axes[0].yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)
    figure.supxlabel("time since the request began, ms, log scale   (farther left is better)")
    figure.supylabel("unanswered, log scale   (lower is better)")
    return figure


def _legend_columns(names: Sequence[str]) -> int:
    """As many as have room, at most six; a column is as wide as its longest name."""
    for columns in range(6, 1, -1):
        high = -(-len(names) // columns)
        widths = [max(map(len, names[start : start + high])) for start in range(0, len(names), high)]
        if sum(widths) + 7 * len(widths) <= _LEGEND_LETTERS:
            return columns
    return 1


def _line(axis: Axes, label: str, rows: pd.DataFrame, left: float, right: float) -> str:
    """Draw one strategy between two times; return how much it lost, in words, if anything."""
    look, n = look_of(label), len(rows)
    times = np.sort(1e3 * rows.loc[~rows["lost"], "latency_s"].to_numpy())
    waiting = (n - np.arange(len(times) + 1)) / max(n, 1)
    times = np.concatenate([[left], times])
    lost = n - len(times) + 1
    if lost:
        times, waiting = np.append(times, right), np.append(waiting, waiting[-1])
    elif n:
        waiting[-1] = waiting[-2]  # zero has no place on a logarithmic axis: the line ends at the slowest
    if len(times) > _STEPS:  # evenly over the ranks from the tail, so that the last requests stay single
        ranks = np.unique(np.geomspace(1, len(times), _STEPS).astype(int))
        times, waiting = times[-ranks[::-1]], waiting[-ranks[::-1]]
    axis.step(
        times if n else [],
        waiting if n else [],
        where="post",
        label=name_of(label),
        color=look.color,
        linestyle=look.line,
        marker=look.marker,
        markevery=[-1] if n else None,
        markersize=5,
    )
    return f"{name_of(label)} {lost} of {n}" if lost else ""
