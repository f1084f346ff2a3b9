"""The cliff: where, on the way past the idle client timeout, requests begin to get lost."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bench.analysis.requests import Kind
from bench.analysis.settings import Setting, twin_of
from bench.analysis.statistics import rate
from bench.analysis.style import INK, MUTED, SHADE, look_of, name_of, panels, styled
from bench.function.strategies import REFERENCE


@styled
def cliff(setting: Setting) -> Figure:
    """Share of lost first-after-gap requests, with Wilson's interval, against the gap that was observed."""
    figure, axes = panels(len(setting.strategies), columns=3, height_in=1.75, sharex=True, sharey=True)
    asked = sorted(setting.rows["gap_ratio"].unique())
    first = setting.select(["label", "gap_ratio", "gap_seen"], Kind.FIRST_AFTER_GAP)
    seen = first.groupby(["label", "gap_ratio"], observed=True)["gap_seen"].median().max()
    right = max(asked[-1], seen, 1.2) * 1.06
    for axis, strategy in zip(axes, setting.strategies, strict=True):
        axis.axvspan(1, right, color=SHADE, linewidth=0)
        axis.axvline(1, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        axis.plot(asked, [-0.05] * len(asked), linestyle="", marker="|", color=MUTED, markersize=5)
        lost, n = _draw(axis, setting, strategy)
        _draw(axis, setting, twin_of(strategy))
        axis.set_title(name_of(strategy))
        axis.set_title(f"{lost} of {n} lost", loc="right", fontweight="bold" if lost else "normal")
    axes[0].set(ylim=(-0.08, 1.06), xlim=(-0.04 * right, right))
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    figure.supxlabel("observed idle gap ÷ idle client timeout   (shaded: longer than the timeout)")
    figure.supylabel("lost requests   (lower is better)")
    return figure


def _draw(axis: Axes, setting: Setting, label: str) -> tuple[int, int]:
    """Plot one label; return how many of its requests were lost, of how many."""
    rows = setting.select(["gap_ratio", "gap_seen", "lost"], Kind.FIRST_AFTER_GAP, label)
    look = look_of(label)
    # A gap asked for just short of the timeout may have been observed on either side of it.
    points = [
        (group["gap_seen"].median(), rate(int(group["lost"].sum()), len(group)))
        for _, group in rows.groupby(["gap_ratio", rows["gap_seen"] > 1], observed=True)
    ]
    if points:
        x, shares = [gap for gap, _ in points], [share for _, share in points]
        axis.errorbar(
            x,
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
    return int(rows["lost"].sum()), len(rows)
