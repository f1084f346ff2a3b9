"""What a request spends its time on."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from poolbench.report.charts import style
from poolbench.report.metrics.latency import PHASES, PhaseGroups, PhaseMedians, phase_medians

_DWARFS = 12  # times the median bar: a longer one ends at the edge
# Colour and hatch of each phase; the hatches tell them apart in black and white.
_LOOKS = (
    (style.GRID, ""),
    (style.PINK, "////"),
    (style.BLUE, ".."),
    (style.GREEN, ""),
    (style.ORANGE, "\\\\\\\\"),
)
_LOOK_OF = dict(zip(PHASES, _LOOKS, strict=True))


@style.styled
def phases(strategies: Sequence[str], found: PhaseGroups) -> Figure | None:
    """Median of each phase, stacked; a tick marks the median of the whole. None if no request succeeded."""
    groups: dict[str, Mapping[str, PhaseMedians]] = {
        "warm": found.warm,
        "first after a gap, reused": found.reused,
        "first after a gap, connected": found.connected,
    }
    shown = {title: bars for title, bars in groups.items() if bars}
    if not shown:
        return None
    labels = strategies[::-1]
    edge = _edge([bar.length for bars in shown.values() for bar in bars.values()])
    figure, axes = style.panels(
        len(shown), columns=3, height_in=0.6 + 0.27 * len(labels), sharex=True, sharey=True
    )
    for axis, (title, bars) in zip(axes, shown.items(), strict=True):
        for place, label in enumerate(labels):
            if label in bars:
                _bar(axis, place, bars[label], edge)
        axis.set_title(title)
        axis.grid(visible=False, axis="y")
    axes[0].set_xlim(0, edge)
    axes[0].set_yticks(range(len(labels)), map(style.name_of, labels))
    style.legend_above(figure, _legend(), columns=6)
    figure.supxlabel("median, ms   (shorter is better)")
    return figure


def _edge(lengths: Sequence[float]) -> float:
    """Right end of the axis: at the longest bar, unless that would make dots of the others."""
    fitting = [length for length in lengths if length <= _DWARFS * float(np.median(lengths))]
    return 1.03 * max(fitting, default=1.0)


def _bar(axis: Axes, place: int, bar: PhaseMedians, edge: float) -> None:
    """Draw a stacked bar; a bar that ends beyond the edge gets its length as text."""
    left = 0.0
    for name, (color, hatch) in _LOOK_OF.items():
        width = bar.phases[name]
        axis.barh(place, width, 0.62, left, color=color, hatch=hatch, edgecolor=style.GRID, linewidth=0)
        left += width
    if bar.whole <= edge:
        axis.plot([bar.whole], [place], marker="|", markersize=13, color=style.INK)
    else:
        box = {"boxstyle": "round,pad=0.1", "facecolor": style.SHADE, "edgecolor": "none"}
        axis.text(edge, place, f"{bar.whole:.0f} ms →", ha="right", va="center", fontsize=7, bbox=box)


def _legend() -> list[Patch | Line2D]:
    whole = Line2D([], [], marker="|", markersize=11, color=style.INK, linestyle="", label="whole request")
    parts = [
        Patch(facecolor=color, hatch=hatch, edgecolor=style.GRID, linewidth=0, label=name)
        for name, (color, hatch) in _LOOK_OF.items()
    ]
    return [*parts, whole]


CHART: style.ScenarioChart = style.Chart(
    "phases",
    "What a request spends its time on",
    "Medians of the phases of successful requests. Requests that reused a connection and requests that "
    "opened one are separate: they are two modes, and a number between them describes neither. Medians of "
    "parts do not add up to the median of the whole, which the line marks.",
    lambda scenario, _: phases(scenario.strategies, phase_medians(scenario)),
)
