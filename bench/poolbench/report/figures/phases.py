"""What a request spends its time on."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from poolbench.report.requests import Kind
from poolbench.report.settings import Setting
from poolbench.report.style import BLUE, GREEN, GRID, INK, ORANGE, PINK, SHADE, name_of, panels, styled

Bar = Mapping[str, float]  # median of each phase and of the whole, ms

_DWARFS = 12  # times the median bar: a longer one ends at the edge
_PHASES = {  # name -> colour and hatch; the hatches tell them apart in black and white
    "pool": (GRID, ""),
    "ping": (PINK, "////"),
    "connect": (BLUE, ".."),
    "execute": (GREEN, ""),
    "reset": (ORANGE, "\\\\\\\\"),
}


@styled
def phases(setting: Setting) -> Figure | None:
    """Median of each phase, stacked, for warm requests and for both kinds of first requests after a gap.

    Medians of parts need not add up to the median of the whole, which a tick marks. None where no request
    was answered.
    """
    first = _answered(setting, Kind.FIRST_AFTER_GAP)
    groups = {
        "steady": _answered(setting, Kind.STEADY),
        "first after a gap, reused": first[first["connects"] == 0],
        "first after a gap, connected": first[first["connects"] > 0],
    }
    labels = setting.strategies[::-1]
    found = {title: _medians(group) for title, group in groups.items() if len(group)}
    if not found:
        return None
    edge = _edge([_length(bar) for bars in found.values() for bar in bars.values()])
    figure, axes = panels(len(found), columns=3, height_in=0.6 + 0.27 * len(labels), sharex=True, sharey=True)
    for axis, (title, bars) in zip(axes, found.items(), strict=True):
        for place, label in enumerate(labels):
            if label in bars:
                _bar(axis, place, bars[label], edge)
        axis.set_title(title)
        axis.grid(visible=False, axis="y")
    axes[0].set_xlim(0, edge)
    axes[0].set_yticks(range(len(labels)), map(name_of, labels))
    figure.legend(handles=_legend(), loc="outside upper center", ncols=6)
    figure.supxlabel("median, ms   (shorter is better)")
    return figure


def _answered(setting: Setting, kind: Kind) -> pd.DataFrame:
    times = ["checkout_s", "connect_s", "ping_s", "execute_s", "reset_s", "latency_s"]
    rows = setting.select(["label", "lost", "connects", *times], kind)
    return rows[~rows["lost"] & rows["label"].isin(setting.strategies)]


def _parts(rows: pd.DataFrame) -> pd.DataFrame:
    connect, ping = rows["connect_s"].fillna(0), rows["ping_s"].fillna(0)
    return 1e3 * pd.DataFrame(
        {
            "pool": (rows["checkout_s"] - connect - ping).clip(lower=0),
            "ping": ping,
            "connect": connect,
            "execute": rows["execute_s"],
            "reset": rows["reset_s"],
            "whole": rows["latency_s"],
        }
    )


def _medians(rows: pd.DataFrame) -> dict[str, Bar]:
    by_label = _parts(rows).groupby(rows["label"], observed=True).median()
    return {
        str(label): dict(zip(by_label.columns, line, strict=True)) for label, *line in by_label.itertuples()
    }


def _length(bar: Bar) -> float:
    """How far it reaches, or its tick."""
    return max(sum(bar[name] for name in _PHASES), bar["whole"])


def _edge(lengths: Sequence[float]) -> float:
    """Right end of the axis: that of the longest bar, unless it would make dots of the others."""
    fitting = [length for length in lengths if length <= _DWARFS * float(np.median(lengths))]
    return 1.03 * max(fitting, default=1.0)


def _bar(axis: Axes, place: int, bar: Bar, edge: float) -> None:
    """A stacked bar; one that goes on beyond the edge says how far."""
    left = 0.0
    for name, (color, hatch) in _PHASES.items():
        width = bar[name]
        axis.barh(place, width, 0.62, left, color=color, hatch=hatch, edgecolor=GRID, linewidth=0)
        left += width
    whole = bar["whole"]
    if whole <= edge:
        axis.plot([whole], [place], marker="|", markersize=13, color=INK)
    else:
        box = {"boxstyle": "round,pad=0.1", "facecolor": SHADE, "edgecolor": "none"}
        axis.text(edge, place, f"{whole:.0f} ms →", ha="right", va="center", fontsize=7, bbox=box)


def _legend() -> list[Patch | Line2D]:
    whole = Line2D([], [], marker="|", markersize=11, color=INK, linestyle="", label="whole request")
    return [
        *(
            Patch(facecolor=color, hatch=hatch, edgecolor=GRID, linewidth=0, label=name)
            for name, (color, hatch) in _PHASES.items()
        ),
        whole,
    ]
