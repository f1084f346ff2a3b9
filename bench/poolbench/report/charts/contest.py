"""A few strategies side by side: every first request after the timeout, every warm one, the commands."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from poolbench.report.charts import style
from poolbench.report.metrics.latency import Requests, StrategyRequests

_POINTS = 2000  # of a strategy in a panel; more are drawn as one picture inside the chart


@style.styled
def contest(found: Sequence[StrategyRequests]) -> Figure | None:
    """One line for each strategy, from top to bottom; None without any."""
    if not found:
        return None
    shown = found[::-1]
    figure = Figure(figsize=(style.WIDTH_IN, 1.15 + 0.42 * len(shown)), layout="constrained")
    after, warm, commands = figure.subplots(1, 3, sharey=True, width_ratios=(1.25, 1.25, 0.8))
    for place, one in enumerate(shown):
        _strip(after, place, one.label, one.after_timeout)
    for place, one in enumerate(shown):
        _strip(warm, place, one.label, one.warm)
    after.set_title("first request after the timeout")
    warm.set_title("warm request")
    _in_milliseconds(after)
    _in_milliseconds(warm)
    ends = (*after.get_xlim(), *warm.get_xlim())
    for axis in (after, warm):  # one scale, so that the two can be compared
        axis.set_xlim(min(ends), max(ends))
    for place, one in enumerate(shown):
        color = style.look_of(one.label).color
        for value, face in ((one.after_timeout.commands, color), (one.warm.commands, "none")):
            commands.plot([value], [place], marker="o", color=color, markerfacecolor=face, markersize=6)
    commands.set_title("commands on the wire")
    commands.set_xlim(left=0)
    commands.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    commands.set_xlabel("each   (fewer is better)")
    names = [style.name_of(one.label) for one in shown]
    after.set(yticks=range(len(shown)), yticklabels=names, ylim=(-0.6, len(shown) - 0.4))
    style.legend_above(figure, _legend(), handletextpad=0.4)
    return figure


def _strip(axis: Axes, place: int, label: str, requests: Requests) -> None:
    spread = np.random.default_rng(0).uniform(-0.26, 0.26, len(requests.latency))
    latency, failed, opened = requests.latency, requests.failed, requests.opened
    color = style.look_of(label).color
    for chosen, face in ((~failed & ~opened, "none"), (~failed & opened, color)):
        axis.scatter(
            latency[chosen],
            place + spread[chosen],
            s=7,
            facecolors=face,
            edgecolors=color,
            linewidth=0.5,
            alpha=0.6,
            rasterized=len(latency) > _POINTS,
        )
    axis.scatter(latency[failed], place + spread[failed], s=13, color=style.INK, marker="x", linewidth=0.7)
    if (~failed).any():
        axis.vlines(requests.median, place - 0.36, place + 0.36, color=style.INK, linewidth=1.6)


def _in_milliseconds(axis: Axes) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlabel("ms, log scale   (farther left is better)")


def _legend() -> list[Line2D]:
    return [
        style.key("reused a connection, or warm", "o", "none"),
        style.key("opened one, or after the timeout", "o"),
        style.key("failed", "x"),
        Line2D([], [], color=style.INK, linewidth=1.6, label="median of successful requests"),
    ]
