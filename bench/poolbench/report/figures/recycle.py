"""The region in which pool_recycle must fail by its own rule, with what was measured laid over it."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from poolbench.report.recycle import offered, recycle_of
from poolbench.report.settings import Setting
from poolbench.report.style import INK, MUTED, SHADE, look_of, panels, styled

_VECTOR_POINTS = 5000


@styled
def recycle_region(setting: Setting) -> Figure | None:
    """Age of the offered connection against the gap, one panel for each strategy that only recycles."""
    found = {
        label: (recycle, rows)
        for label in setting.strategies
        if (recycle := recycle_of(label)) is not None and len(rows := offered(setting, label))
    }
    if not found:
        return None
    figure, axes = panels(len(found), columns=2, height_in=2.7, sharex=True, sharey=True)
    right = 1.08 * max(1.2, *(float(rows["gap"].max()) for _, rows in found.values()))
    recycle_top = max(recycle for recycle, _ in found.values())
    top = 1.08 * max(recycle_top, *(float(rows["age"].max()) for _, rows in found.values()))
    for axis, (label, (recycle, rows)) in zip(axes, found.items(), strict=True):
        _region(axis, recycle, right)
        _points(axis, rows, look_of(label).color)
        axis.set_title(f"{label}: pool_recycle = {recycle:g} x timeout")
        sure = rows[~rows["close"]]
        as_predicted = int((sure["lost"] == sure["lost_predicted"]).sum())
        axis.set_xlabel(f"{as_predicted} of {len(sure)} as predicted", fontweight="bold")
    axes[0].set_ylim(-0.03 * top, top)
    figure.legend(handles=_legend(), loc="outside upper center", ncols=4, handletextpad=0.4)
    figure.supxlabel("observed idle gap ÷ idle client timeout")
    figure.supylabel("age at last use ÷ timeout")
    return figure


def _region(axis: Axes, recycle: float, right: float) -> None:
    if recycle > 1:
        corners = [(1, 0), (1, recycle - 1), (recycle, 0)]
        axis.add_patch(Polygon(corners, facecolor=SHADE, edgecolor=MUTED, linewidth=0.6, hatch="////"))
    axis.axvline(1, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
    axis.plot([0, recycle], [recycle, 0], color=INK, linewidth=0.9, linestyle=(0, (1, 1.5)))
    axis.set_xlim(-0.03 * right, right)


def _points(axis: Axes, rows: pd.DataFrame, color: str) -> None:
    recycled = rows["recycles"] > 0
    for chosen, marker, face, size in (
        (~rows["lost"] & ~recycled, "o", "none", 14),
        (~rows["lost"] & recycled, "D", color, 12),
        (rows["lost"], "x", INK, 22),
    ):
        part = rows[chosen]
        axis.scatter(
            part["gap"],
            part["age"],
            s=size,
            marker=marker,
            facecolors=face,
            edgecolors=color if marker != "x" else None,
            linewidth=0.9,
            rasterized=len(rows) > _VECTOR_POINTS,
            zorder=3,
        )


def _legend() -> list[Line2D | Polygon]:
    def entry(label: str, marker: str, face: str) -> Line2D:
        return Line2D(
            [], [], label=label, linestyle="", color=INK, marker=marker, markerfacecolor=face, markersize=4
        )

    square = [(0, 0), (0, 1), (1, 1), (1, 0)]
    return [
        Polygon(square, facecolor=SHADE, edgecolor=MUTED, hatch="////", label="must be lost"),
        entry("reused", "o", "none"),
        entry("recycled", "D", INK),
        entry("lost", "x", INK),
    ]
