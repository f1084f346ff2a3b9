"""What a request spends its time on."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.analysis.requests import Kind
from bench.analysis.settings import Setting
from bench.analysis.style import BLUE, GREEN, GRID, INK, ORANGE, PINK, name_of, panels, styled

_PHASES = {  # name -> colour and hatch; the hatches tell them apart in black and white
    "pool": (GRID, ""),
    "ping": (PINK, "////"),
    "connect": (BLUE, ".."),
    "execute": (GREEN, ""),
    "reset": (ORANGE, "\\\\\\\\"),
}


@styled
def phases(setting: Setting) -> Figure:
    """Median of each phase, stacked, for warm requests and for both kinds of first requests after a gap.

    Medians of parts need not add up to the median of the whole, which a tick marks.
    """
    first = _answered(setting, Kind.FIRST_AFTER_GAP)
    groups = {
        "steady": _answered(setting, Kind.STEADY),
        "first after a gap, reused": first[first["connects"] == 0],
        "first after a gap, connected": first[first["connects"] > 0],
    }
    labels = setting.strategies[::-1]
    figure, axes = panels(3, columns=3, height_in=0.6 + 0.27 * len(labels), sharex=True, sharey=True)
    for axis, (title, group) in zip(axes, groups.items(), strict=True):
        by_label = dict(iter(_parts(group).groupby(group["label"], observed=True)))
        for place, label in enumerate(labels):
            if label in by_label:
                _bar(axis, place, by_label[label].median())
        axis.set_title(title)
        axis.grid(visible=False, axis="y")
    axes[0].set_yticks(range(len(labels)), map(name_of, labels))
    figure.legend(handles=_legend(), loc="outside upper center", ncols=6)
    figure.supxlabel("median, ms   (shorter is better)")
    return figure


def _answered(setting: Setting, kind: Kind) -> pd.DataFrame:
    times = ["checkout_s", "connect_s", "ping_s", "execute_s", "reset_s", "latency_s"]
    rows = setting.select(["label", "lost", "connects", *times], kind)
    return rows[~rows["lost"]]


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


def _bar(axis: Axes, place: int, medians: "pd.Series[float]") -> None:
    left = 0.0
    for name, (color, hatch) in _PHASES.items():
        width = float(medians[name])
        axis.barh(place, width, 0.62, left, color=color, hatch=hatch, edgecolor=GRID, linewidth=0)
        left += width
    axis.plot([medians["whole"]], [place], marker="|", markersize=13, color=INK)


def _legend() -> list[Patch | Line2D]:
    whole = Line2D([], [], marker="|", markersize=11, color=INK, linestyle="", label="whole request")
    return [
        *(
            Patch(facecolor=color, hatch=hatch, edgecolor=GRID, linewidth=0, label=name)
            for name, (color, hatch) in _PHASES.items()
        ),
        whole,
    ]
