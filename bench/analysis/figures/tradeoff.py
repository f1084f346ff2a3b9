"""The choice at a glance: what a strategy adds to a request against what it loses."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from bench.analysis.answer import Answer
from bench.analysis.statistics import Estimate, Quantiles
from bench.analysis.style import INK, MUTED, SHADE, look_of, panels, styled
from bench.analysis.tradeoff import Price
from bench.function.strategies import REFERENCE

_FLOOR = -0.5  # room below zero for the names


@styled
def tradeoff(found: Answer) -> Figure | None:
    """Latency against losses beyond the timeout; size is open connections; the front is ringed and bold."""
    shown = [price for price in found.prices if price.lost_beyond.n]
    reference = next((price for price in found.prices if price.label == REFERENCE), None)
    if not shown or reference is None:
        return None
    base = reference.steady.median.value
    figure, axes = panels(2, columns=2, height_in=3.6, sharex=True, sharey=True)
    for axis, title, latencies in (
        (axes[0], "a steady request", [price.steady for price in shown]),
        (axes[1], "the first request beyond the timeout", [price.beyond for price in shown]),
    ):
        _panel(axis, shown, latencies, base, found)
        axis.set_title(title)
        axis.margins(x=0.18)
    axes[0].set_ylim(_FLOOR, 1 - _FLOOR)
    axes[0].set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(handles=_legend(shown), loc="outside upper center", ncols=5)
    figure.supxlabel(f"added to a steady {REFERENCE} request, ms at p50   (farther left is better)")
    figure.supylabel("lost beyond the timeout   (lower is better)")
    return figure


def _size(price: Price) -> float:
    """Area of the marker, in square points."""
    return 30 if math.isnan(price.held) else 25 + 20 * price.held


def _legend(shown: Sequence[Price]) -> list[Line2D]:
    held = sorted(price.held for price in shown if not math.isnan(price.held))
    sizes = [
        (f"{value:.1f} connections open", 25 + 20 * value)
        for value in dict.fromkeys((held or [])[:: len(held) - 1 or 1])
    ]
    entries = [
        Line2D([], [], linestyle="", marker="o", color=MUTED, markersize=math.sqrt(size), label=text)
        for text, size in sizes
    ]
    ring: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markersize": 11}
    return [*entries, Line2D([], [], linestyle="", color=INK, label="Pareto front of the safe set", **ring)]


def _panel(
    axis: Axes, shown: Sequence[Price], latencies: Sequence[Quantiles], base: float, found: Answer
) -> None:
    axis.axhspan(_FLOOR, 0.05, color=SHADE, linewidth=0)
    axis.text(
        0.01, 0.06, "lost none: the safe set", transform=axis.get_yaxis_transform(), color=MUTED, va="bottom"
    )
    points: list[tuple[float, Price]] = []
    for price, latency in zip(shown, latencies, strict=True):
        if latency.median.n == 0:
            continue
        x, lost = 1e3 * (latency.median.value - base), price.lost_beyond
        points.append((x, price))
        look = look_of(price.label)
        spread = [[lost.value - lost.low], [lost.high - lost.value]]
        axis.errorbar(x, lost.value, spread, _reach(latency.median), color=look.color, elinewidth=0.8)
        axis.scatter(
            x, lost.value, s=_size(price), color=look.color, marker=look.marker, zorder=3, alpha=0.85
        )
        if price.label in found.front:
            ring: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidth": 1.1, "zorder": 4}
            axis.scatter(x, lost.value, s=_size(price) + 110, **ring)
    never = [price.label for price, latency in zip(shown, latencies, strict=True) if latency.median.n == 0]
    if never:
        text = f"never answered: {', '.join(never)}"
        axis.text(0.98, 0.97, text, transform=axis.transAxes, ha="right", va="top", fontsize=8)
    _name(axis, points, found)


def _reach(median: Estimate) -> list[list[float]]:
    low, high = median.value - median.low, median.high - median.value
    return [[1e3 * low if math.isfinite(low) else 0.0], [1e3 * high if math.isfinite(high) else 0.0]]


def _name(axis: Axes, points: Sequence[tuple[float, Price]], found: Answer) -> None:
    """Names in steps, below the safe ones and above the others, so that close points do not cover them."""
    for above in (False, True):
        row = [(x, price) for x, price in points if (not price.is_safe) == above]
        for rank, (x, price) in enumerate(sorted(row, key=lambda point: point[0])):
            step = 20 + 11 * (rank % 4)
            axis.annotate(
                price.label,
                (x, price.lost_beyond.value),
                (0, step if above else -step),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=7.5,
                fontweight="bold" if price.label in found.front else "normal",
                arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 4},
            )
