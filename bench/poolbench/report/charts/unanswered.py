"""The whole distribution with its tail: how many requests still wait after so many milliseconds."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from poolbench.report.charts import style
from poolbench.report.metrics.latency import Tails, tails

_LEGEND_LETTERS = 112  # side by side, a line and a gap before each name counted as seven
_LISTED = 5  # strategies with unanswered requests; more would hide the lines


@style.styled
def unanswered(found: Tails | None) -> Figure | None:
    """Share of unanswered requests against time, both axes logarithmic; None if every request failed."""
    if found is None:
        return None
    sides = {"gap within the timeout": found.within, "gap longer than the timeout": found.after}
    sides = {title: side for title, side in sides.items() if side}
    strategies = list(next(iter(sides.values())))
    columns = _legend_columns([style.name_of(label) for label in strategies])
    height_in = 2.8 + 0.18 * -(-len(strategies) // columns)
    figure, axes = style.panels(len(sides), columns=2, height_in=height_in, sharex=True, sharey=True)
    for axis, (title, side) in zip(axes, sides.items(), strict=True):
        for label, tail in side.items():
            marker: dict[str, Any] = {"marker": style.look_of(label).marker, "markersize": 5}
            end = [-1] if tail.n else None
            axis.step(tail.times, tail.waiting, where="post", markevery=end, **style.line_of(label), **marker)
        never = [
            f"{style.name_of(label)} {tail.failed} of {tail.n}" for label, tail in side.items() if tail.failed
        ]
        axis.set_title(title)
        if len(never) > _LISTED:
            axis.set_title(f"{len(never)} strategies with requests that were never answered", loc="right")
        elif never:
            listed = "\n".join(["never answered:", *never])
            axis.text(0.02, 0.04, listed, transform=axis.transAxes, fontsize=8)
    axes[0].set_xlim(found.left, found.right * 1.08)
    axes[0].set(xscale="log", yscale="log")
    style.logarithmic(axes[0].xaxis)
    style.logarithmic(axes[0].yaxis)
    axes[0].yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    style.legend_of(figure, axes[-1], columns)
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


CHART: style.ScenarioChart = style.Chart(
    "unanswered",
    "The tail: how many requests still wait",
    "The whole distribution of first requests after a gap, failed ones included: a line that runs flat to "
    "the right edge is the share that was never answered.",
    lambda scenario, _: unanswered(tails(scenario)),
)
