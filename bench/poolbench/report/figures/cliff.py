"""The cliff: where, on the way past the idle client timeout, requests begin to get lost."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from poolbench.function.strategies import CONTROL, REFERENCE
from poolbench.report.requests import Kind
from poolbench.report.settings import Setting, twin_of
from poolbench.report.statistics import Estimate, rate
from poolbench.report.style import INK, MUTED, SHADE, look_of, name_of, panels, styled


@styled
def cliff(setting: Setting) -> Figure:
    """Share of lost first-after-gap requests, with Wilson's interval, against the gap that was observed."""
    figure, axes = panels(len(setting.strategies), columns=3, height_in=1.75, sharex=True, sharey=True)
    asked = sorted(setting.rows["gap_ratio"].unique())
    drawn = {label: _points(setting, label) for label in setting.labels if label != CONTROL}
    # A gap during which the machine slept may have been observed far to the right of all that were asked for.
    right = 1.06 * max(1.2, *asked, *(gap for points in drawn.values() for gap, _ in points))
    for axis, strategy in zip(axes, setting.strategies, strict=True):
        axis.axvspan(1, right, color=SHADE, linewidth=0)
        axis.axvline(1, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        axis.plot(asked, [-0.05] * len(asked), linestyle="", marker="|", color=MUTED, markersize=5)
        for label in (strategy, twin_of(strategy)):
            _draw(axis, label, drawn.get(label, ()))
        first = setting.select(["lost"], Kind.FIRST_AFTER_GAP, strategy)
        lost = int(first["lost"].sum())
        axis.set_title(name_of(strategy))
        axis.set_title(f"{lost} of {len(first)} lost", loc="right", fontweight="bold" if lost else "normal")
    axes[0].set(ylim=(-0.08, 1.06), xlim=(-0.04 * right, right))
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    figure.supxlabel("observed idle gap ÷ idle client timeout   (shaded: longer than the timeout)")
    figure.supylabel("lost requests   (lower is better)")
    return figure


def _points(setting: Setting, label: str) -> list[tuple[float, Estimate]]:
    """Each gap asked for, at the median of what was observed of it, from left to right."""
    rows = setting.select(["gap_ratio", "gap_seen", "lost"], Kind.FIRST_AFTER_GAP, label)
    # A gap asked for just short of the timeout may have been observed on either side of it.
    groups = rows.groupby(["gap_ratio", rows["gap_seen"] > 1], observed=True)
    points = [
        (float(group["gap_seen"].median()), rate(int(group["lost"].sum()), len(group))) for _, group in groups
    ]
    return sorted(points, key=lambda point: point[0])


def _draw(axis: Axes, label: str, points: Sequence[tuple[float, Estimate]]) -> None:
    if not points:
        return
    look = look_of(label)
    shares = [share for _, share in points]
    axis.errorbar(
        [gap for gap, _ in points],
        [share.value for share in shares],
        [[share.value - share.low for share in shares], [share.high - share.value for share in shares]],
        color=look.color,
        capsize=2.5,
        elinewidth=1,
        marker=look.marker,
        markersize=9 if look.hollow else 5,
        markerfacecolor="none" if look.hollow else look.color,
        linewidth=0 if label == twin_of(REFERENCE) else 1.1,  # the reference's own lies below
        clip_on=False,
    )
