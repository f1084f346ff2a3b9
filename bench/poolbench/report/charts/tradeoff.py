"""The choice at a glance: what a strategy adds to a request against how often it fails."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from poolbench.function.strategies import REFERENCE
from poolbench.report.charts import style
from poolbench.report.metrics.assessment import Assessment
from poolbench.report.metrics.overhead import Overhead, added_ms
from poolbench.report.statistics import Estimate, Quantiles

_NAME_PT = 10.5  # height of a line of names
_SCALE_PT = 120  # from no failure to nothing but failures
_DOT = 10  # times narrower than the other panel
_NAME_SHARE = 0.3  # of a panel's width that the longest name takes: closer points share a column of names


@dataclass(frozen=True, slots=True)
class _Point:
    """A strategy in one panel: what it adds, in ms, and in which line its name goes."""

    overhead: Overhead
    added: float
    median: Estimate
    line: int = 0


@dataclass(frozen=True, slots=True)
class _Side:
    """One panel."""

    title: str
    points: Sequence[_Point]
    values: Sequence[float]  # that the scale has to hold

    @property
    def width(self) -> float:
        return _width(self.values)


@style.styled
def tradeoff(found: Assessment) -> Figure | None:
    """Latency against the failure rate; size is open connections; the Pareto front is ringed and bold."""
    shown = [one for one in found.overheads if one.failed_after.n]
    reference = next((one for one in found.overheads if one.label == REFERENCE), None)
    if not shown or reference is None:
        return None
    sides, shared = _sides(shown, reference)
    below, above = (25 + _NAME_PT * _lines(sides, safe=safe) for safe in (True, False))
    height_in = (below + above + _SCALE_PT) / 72 + 0.5
    figure, axes = style.panels(2, columns=2, height_in=height_in, sharex=shared, sharey=True)
    for axis, side in zip(axes, sides, strict=True):
        margin = 0.2 * side.width
        axis.set_xlim(min(side.values) - margin, max(side.values) + margin)
        _panel(axis, side.points, found.front)
        axis.set_title(side.title)
        drawn = {point.overhead.label for point in side.points}
        _note_never(axis, [one.label for one in shown if one.label not in drawn])
    axes[0].set(ylim=(-below / _SCALE_PT, 1 + above / _SCALE_PT), yticks=[0, 0.25, 0.5, 0.75, 1])
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    style.legend_above(figure, _legend(shown))
    figure.supxlabel(f"added to a warm {REFERENCE} request, ms at p50   (farther left is better)")
    figure.supylabel("failed after the timeout   (lower is better)")
    return figure


def _sides(shown: Sequence[Overhead], reference: Overhead) -> tuple[Sequence[_Side], bool]:
    """Both panels, and whether they share one scale: unless that would make a dot of one of them."""
    warm = _points(shown, [one.warm for one in shown], reference)
    after = _points(shown, [one.after_timeout for one in shown], reference)
    own = [[point.added for point in points] or [0.0] for points in (warm, after)]
    shared = max(map(_width, own)) <= _DOT * min(map(_width, own))
    values = [[*own[0], *own[1]]] * 2 if shared else own
    titles = ("a warm request", "the first request after the timeout")
    sides = [
        _Side(title, _in_lines(points, _width(scale)), scale)
        for title, points, scale in zip(titles, (warm, after), values, strict=True)
    ]
    return sides, shared


def _points(shown: Sequence[Overhead], latencies: Sequence[Quantiles], reference: Overhead) -> list[_Point]:
    found = [
        _Point(one, added_ms(latency, reference), latency.median)
        for one, latency in zip(shown, latencies, strict=True)
        if latency.median.n
    ]
    return sorted(found, key=lambda point: point.added)


def _width(values: Sequence[float]) -> float:
    return (max(values) - min(values)) or 1.0


def _in_lines(points: Sequence[_Point], width: float) -> list[_Point]:
    """Names of points that are close go below each other."""
    placed: list[_Point] = []
    for safe in (True, False):
        first, line = -math.inf, 0
        for point in (point for point in points if point.overhead.is_safe is safe):
            near = point.added - first < _NAME_SHARE * 1.4 * width
            first, line = (first, line + 1) if near else (point.added, 0)
            placed.append(replace(point, line=line))
    return placed


def _lines(sides: Sequence[_Side], *, safe: bool) -> int:
    """The last line of names that is in use."""
    points = [point for side in sides for point in side.points]
    return max((point.line for point in points if point.overhead.is_safe is safe), default=0)


def _panel(axis: Axes, points: Sequence[_Point], front: Sequence[str]) -> None:
    axis.axhspan(-10, 0.05, color=style.SHADE, linewidth=0)
    for point in points:
        one, x, y = point.overhead, point.added, point.overhead.failed_after
        look, size, on_front = style.look_of(one.label), _size(one.open), one.label in front
        spread, reach = [[y.value - y.low], [y.high - y.value]], _reach(point.median)
        axis.errorbar(x, y.value, spread, reach, color=look.color, elinewidth=0.8)
        axis.scatter(x, y.value, s=size, color=look.color, marker=look.marker, zorder=3, alpha=0.85)
        if on_front:
            ring: dict[str, Any] = {"facecolors": "none", "edgecolors": style.INK, "linewidth": 1.1}
            axis.scatter(x, y.value, s=size + 110, zorder=4, **ring)
        away = 20 + _NAME_PT * point.line
        axis.annotate(
            style.name_of(one.label),
            (x, y.value),
            (0, -away if one.is_safe else away),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
            fontweight="bold" if on_front else "normal",
        )


def _note_never(axis: Axes, labels: Sequence[str]) -> None:
    """Name the strategies whose requests never succeeded."""
    if labels:
        names = [style.name_of(label) for label in labels]
        lines = [", ".join(names[start : start + 4]) for start in range(0, len(names), 4)]
        text = "never answered: " + ",\n".join(lines)
        axis.text(0.5, 0.97, text, transform=axis.transAxes, ha="center", va="top")


def _reach(median: Estimate) -> list[list[float]]:
    low, high = median.value - median.low, median.high - median.value
    return [[1e3 * low if math.isfinite(low) else 0.0], [1e3 * high if math.isfinite(high) else 0.0]]


def _size(connections: float) -> float:
    """Area of the marker, in square points."""
    return 30 if math.isnan(connections) else 25 + 20 * connections


def _legend(shown: Sequence[Overhead]) -> list[Line2D | Patch]:
    counts = sorted(one.open for one in shown if not math.isnan(one.open))
    ends = dict.fromkeys((counts[0], counts[-1])) if counts else {}
    grey = style.MUTED
    sizes = [
        style.key(f"{one:.1f} connections open", "o", grey, color=grey, markersize=math.sqrt(_size(one)))
        for one in ends
    ]
    return [
        *sizes,
        Patch(facecolor=style.SHADE, edgecolor=style.GRID, label="no failure: the safe strategies"),
        style.key("Pareto-optimal among them", "o", "none", markersize=11),
    ]


CHART: style.ScenarioChart = style.Chart(
    "tradeoff",
    "The tradeoff: overhead against failures",
    "Down and left is good. Strategies in the shaded band failed no request; a ring marks those that are "
    "Pareto-optimal in latency, commands and connections. Bars are 95 % intervals.",
    lambda _, found: tradeoff(found),
)
