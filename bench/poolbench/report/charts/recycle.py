"""The region in which pool_recycle must fail by its own rule, with the measured requests in it."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from poolbench.report.charts import style
from poolbench.report.metrics.recycle import RecycleCheck, recycle_checks


@style.styled
def recycle_region(found: Mapping[str, RecycleCheck]) -> Figure | None:
    """Age of the offered connection against the gap, one panel for each strategy that only recycles."""
    if not found:
        return None
    figure, axes = style.panels(len(found), columns=2, height_in=2.7, sharex=True, sharey=True)
    right = 1.08 * max(1.2, *(float(one.rows["gap"].max()) for one in found.values()))
    top = 1.08 * max(max(one.recycle, float(one.rows["age"].max())) for one in found.values())
    for axis, (label, one) in zip(axes, found.items(), strict=True):
        _region(axis, one.recycle, right)
        _points(axis, one.rows, style.look_of(label).color)
        axis.set_title(f"{label}: pool_recycle = {one.recycle:g} x timeout")
        axis.set_xlabel(f"{one.as_predicted} of {one.sure} as predicted", fontweight="bold")
    axes[0].set_ylim(-0.03 * top, top)
    style.legend_above(figure, _legend(), columns=4, handletextpad=0.4)
    figure.supxlabel("observed idle time ÷ idle client timeout")
    figure.supylabel("age at last use ÷ timeout")
    return figure


def _region(axis: Axes, recycle: float, right: float) -> None:
    if recycle > 1:
        corners = [(1, 0), (1, recycle - 1), (recycle, 0)]
        axis.add_patch(
            Polygon(corners, facecolor=style.SHADE, edgecolor=style.MUTED, linewidth=0.6, hatch="////")
        )
    style.limit_line(axis, 1)
    axis.plot([0, recycle], [recycle, 0], color=style.INK, linewidth=0.9, linestyle=(0, (1, 1.5)))
    axis.set_xlim(-0.03 * right, right)


def _points(axis: Axes, rows: pd.DataFrame, color: str) -> None:
    recycled = rows["recycles"] > 0
    for chosen, marker, face, size in (
        (~rows["failed"] & ~recycled, "o", "none", 14),
        (~rows["failed"] & recycled, "D", color, 12),
        (rows["failed"], "x", style.INK, 22),
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
            rasterized=len(rows) > style.VECTOR_POINTS,
            zorder=3,
        )


def _legend() -> list[Line2D | Polygon]:
    square = [(0, 0), (0, 1), (1, 1), (1, 0)]
    return [
        Polygon(square, facecolor=style.SHADE, edgecolor=style.MUTED, hatch="////", label="must fail"),
        style.key("reused", "o", "none"),
        style.key("recycled", "D"),
        style.key("failed", "x"),
    ]


CHART: style.ScenarioChart = style.Chart(
    "recycle_region",
    "pool_recycle: the region in which it must fail",
    "The pool compares a connection's age, not its idle time, and only at checkout. Above the dotted line it "
    "recycles; right of the dashed line the timeout has passed; between them a request fails.",
    lambda scenario, _: recycle_region(recycle_checks(scenario)),
)
