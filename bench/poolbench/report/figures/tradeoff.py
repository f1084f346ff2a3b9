"""The choice at a glance: what a strategy adds to a request against what it loses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from poolbench.function.strategies import REFERENCE
from poolbench.report.answer import Answer
from poolbench.report.statistics import Estimate, Quantiles
from poolbench.report.style import GRID, INK, MUTED, SHADE, look_of, name_of, panels, styled
from poolbench.report.tradeoff import Price

_NAME_PT = 10.5  # height of a line of names
_SCALE_PT = 120  # from none lost to all lost
_DOT = 10  # times narrower than the other panel
_NAME_SHARE = 0.3  # of a panel's width that the longest name takes: closer points share a column of names


@dataclass(frozen=True, slots=True)
class _Point:
    """A strategy in one panel: what it adds, in ms, and in which line its name goes."""

    price: Price
    added: float
    latency: Quantiles
    line: int = 0


@styled
def tradeoff(found: Answer) -> Figure | None:
    """Latency against losses beyond the timeout; size is open connections; the front is ringed and bold."""
    shown = [price for price in found.prices if price.lost_beyond.n]
    reference = next((price for price in found.prices if price.label == REFERENCE), None)
    if not shown or reference is None:
        return None
    base = reference.steady.median.value
    titles = ("a steady request", "the first request beyond the timeout")
    sides = (
        _points(shown, [price.steady for price in shown], base),
        _points(shown, [price.beyond for price in shown], base),
    )
    own = [[point.added for point in points] or [0.0] for points in sides]
    # One scale for both panels, unless it would make a dot of one of them.
    shared = max(map(_width, own)) <= _DOT * min(map(_width, own))
    added = [[*own[0], *own[1]]] * 2 if shared else own
    sides = (_in_lines(sides[0], _width(added[0])), _in_lines(sides[1], _width(added[1])))
    below, above = (
        25
        + _NAME_PT
        * max((point.line for side in sides for point in side if point.price.is_safe is safe), default=0)
        for safe in (True, False)
    )
    figure, axes = panels(
        2, columns=2, height_in=(below + above + _SCALE_PT) / 72 + 0.5, sharex=shared, sharey=True
    )
    for axis, title, points, values in zip(axes, titles, sides, added, strict=True):
        margin = 0.2 * _width(values)
        axis.set_xlim(min(values) - margin, max(values) + margin)
        _panel(axis, points, found.front)
        axis.set_title(title)
        never = [price.label for price in shown if price not in [point.price for point in points]]
        if never:
            axis.text(
                0.5,
                0.97,
                "never answered: " + _wrapped([name_of(label) for label in never]),
                transform=axis.transAxes,
                ha="center",
                va="top",
            )
    axes[0].set(
        ylim=(-below / _SCALE_PT, 1 + above / _SCALE_PT),
        yticks=[0, 0.25, 0.5, 0.75, 1],
    )
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(handles=_legend(shown), loc="outside upper center", ncols=5)
    figure.supxlabel(f"added to a steady {REFERENCE} request, ms at p50   (farther left is better)")
    figure.supylabel("lost beyond the timeout   (lower is better)")
    return figure


def _width(values: Sequence[float]) -> float:
    return (max(values) - min(values)) or 1.0


def _points(shown: Sequence[Price], latencies: Sequence[Quantiles], base: float) -> list[_Point]:
    found = [
        _Point(price, 1e3 * (latency.median.value - base), latency)
        for price, latency in zip(shown, latencies, strict=True)
        if latency.median.n
    ]
    return sorted(found, key=lambda point: point.added)


def _in_lines(points: Sequence[_Point], width: float) -> list[_Point]:
    """Names of points that are close go below each other."""
    placed: list[_Point] = []
    for safe in (True, False):
        first, line = -math.inf, 0
        for point in (point for point in points if point.price.is_safe is safe):
            near = point.added - first < _NAME_SHARE * 1.4 * width
            first, line = (first, line + 1) if near else (point.added, 0)
            placed.append(_Point(point.price, point.added, point.latency, line))
    return placed


def _wrapped(names: Sequence[str]) -> str:
    return ",\n".join(", ".join(names[start : start + 4]) for start in range(0, len(names), 4))


def _size(held: float) -> float:
    """Area of the marker, in square points."""
    return 30 if math.isnan(held) else 25 + 20 * held


def _legend(shown: Sequence[Price]) -> list[Line2D | Patch]:
    held = sorted(price.held for price in shown if not math.isnan(price.held))
    ends = dict.fromkeys((held[0], held[-1])) if held else {}
    ring: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markersize": 11}
    return [
        *(
            Line2D(
                *([], []), linestyle="", marker="o", color=MUTED, markersize=math.sqrt(_size(value)),
                label=f"{value:.1f} connections open",
            )
            for value in ends
        ),
        Patch(facecolor=SHADE, edgecolor=GRID, label="lost none: the safe set"),
        Line2D([], [], linestyle="", color=INK, label="its Pareto front", **ring),
    ]  # fmt: skip


def _panel(axis: Axes, points: Sequence[_Point], front: Sequence[str]) -> None:
    axis.axhspan(-10, 0.05, color=SHADE, linewidth=0)
    for point in points:
        lost, look = point.price.lost_beyond, look_of(point.price.label)
        size = _size(point.price.held)
        spread = [[lost.value - lost.low], [lost.high - lost.value]]
        reach = _reach(point.latency.median)
        axis.errorbar(point.added, lost.value, spread, reach, color=look.color, elinewidth=0.8)
        axis.scatter(
            point.added, lost.value, s=size, color=look.color, marker=look.marker, zorder=3, alpha=0.85
        )
        on_front = point.price.label in front
        if on_front:
            ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidth": 1.1, "zorder": 4}
            axis.scatter(point.added, lost.value, s=size + 110, **ring)
        away = 20 + _NAME_PT * point.line
        axis.annotate(
            name_of(point.price.label),
            (point.added, lost.value),
            (0, -away if point.price.is_safe else away),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
            fontweight="bold" if on_front else "normal",
        )


def _reach(median: Estimate) -> list[list[float]]:
    low, high = median.value - median.low, median.high - median.value
    return [[1e3 * low if math.isfinite(low) else 0.0], [1e3 * high if math.isfinite(high) else 0.0]]
