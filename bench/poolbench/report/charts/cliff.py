"""The cliff: from which idle time on requests fail."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from poolbench.function.strategies import CONTROL, REFERENCE
from poolbench.report.charts import style
from poolbench.report.metrics.gaps import FailureCurve, failure_curves
from poolbench.report.scenarios import AA_CONTROL
from poolbench.report.statistics import Estimate


@style.styled
def cliff(strategies: Sequence[str], curves: Mapping[str, FailureCurve], asked: Sequence[float]) -> Figure:
    """Failure rate of first requests, with Wilson's interval, against the observed idle time.

    Args:
        strategies: one panel each.
        curves: of all labels.
        asked: gaps that were asked for.

    """
    figure, axes = style.panels(len(strategies), columns=3, height_in=1.75, sharex=True, sharey=True)
    # If the machine slept, an observed idle time may be far longer than every gap that was asked for.
    reached = [idle for label, one in curves.items() if label != CONTROL for idle, _ in one.points]
    right = 1.06 * max(1.2, *asked, *reached)
    for axis, strategy in zip(axes, strategies, strict=True):
        axis.axvspan(1, right, color=style.SHADE, linewidth=0)
        style.limit_line(axis, 1)
        axis.plot(asked, [-0.05] * len(asked), linestyle="", marker="|", color=style.MUTED, markersize=5)
        own = curves[strategy]
        _draw(axis, strategy, own.points)
        if strategy == REFERENCE and AA_CONTROL in curves:
            _draw(axis, AA_CONTROL, curves[AA_CONTROL].points)
        axis.set_title(style.name_of(strategy))
        weight = "bold" if own.failed else "normal"
        axis.set_title(f"{own.failed} of {own.n} failed", loc="right", fontweight=weight)
    axes[0].set(ylim=(-0.08, 1.06), xlim=(-0.04 * right, right))
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    figure.supxlabel("observed idle time ÷ idle client timeout   (shaded: longer than the timeout)")
    figure.supylabel("failed requests   (lower is better)")
    return figure


def _draw(axis: Axes, label: str, points: Sequence[tuple[float, Estimate]]) -> None:
    if not points:
        return
    look = style.look_of(label)
    shares = [share for _, share in points]
    axis.errorbar(
        [idle for idle, _ in points],
        [share.value for share in shares],
        [[share.value - share.low for share in shares], [share.high - share.value for share in shares]],
        color=look.color,
        capsize=2.5,
        elinewidth=1,
        marker=look.marker,
        markersize=9 if look.hollow else 5,
        markerfacecolor="none" if look.hollow else look.color,
        linewidth=0 if label == AA_CONTROL else 1.1,  # the reference's own line is below
        clip_on=False,
    )


CHART: style.ScenarioChart = style.Chart(
    "cliff",
    "The cliff: failed requests against idle time",
    "Each point is the share of first requests after a gap that failed or hung, with its 95 % Wilson "
    "interval, at the observed idle time of the connection. Ticks below are the gaps asked for, rings the "
    "A/A control. Flat at zero is good.",
    lambda scenario, _: cliff(scenario.strategies, failure_curves(scenario), scenario.gaps),
)
