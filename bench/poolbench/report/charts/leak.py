"""What the largest burst leaves behind: connections over time until the last one is closed."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from poolbench.report.charts import style
from poolbench.report.load import Dataset
from poolbench.report.metrics.bursts import BurstRow, BurstSeries, series_of_largest


@style.styled
def leak(found: Sequence[tuple[str, Sequence[tuple[str, BurstSeries]]]], timeout_s: float) -> Figure | None:
    """Connections over time, from the burst until they are gone.

    Args:
        found: for each panel its title, and for each strategy its counts; empty panels are left out.
        timeout_s: the proxy's idle client timeout.

    """
    found = [(title, lines) for title, lines in found if lines]
    if not found:
        return None
    figure, axes = style.panels(len(found), columns=3, height_in=2.3, sharex=True, sharey=True)
    for panel, (title, lines) in zip(axes, found, strict=True):
        panel.set_title(title)
        style.limit_line(panel, timeout_s)
        panel.axvline(0, color=style.MUTED, linewidth=0.8)
        for label, series in lines:
            panel.step(series.seconds, series.counts, where="post", **style.line_of(label))
    axes[0].set_ylim(bottom=0)
    began = min(series.seconds[series.burst].min(initial=0.0) for _, lines in found for _, series in lines)
    axes[0].set_xlim(1.1 * began, 1.15 * timeout_s)
    axes[0].yaxis.set_major_locator(MaxNLocator(5, integer=True))
    style.legend_of(figure, axes[0])
    figure.supxlabel("time since the burst's last answer, s   (dashed: idle client timeout)")
    figure.supylabel("open connections   (fewer is better)")
    return figure


def _of(dataset: Dataset, rows: Sequence[BurstRow]) -> Figure | None:
    panels_of = (
        ("clients to proxy", "proxy", True),
        ("proxy to database", "proxy", False),
        ("to the database, no proxy", "database", False),
    )
    found = [
        (title, series_of_largest(dataset, rows, route, clients=clients))
        for title, route, clients in panels_of
    ]
    return leak(found, dataset.headers[0].timeout_s)


CHART: style.BurstChart = style.Chart(
    "leak",
    "What the largest burst leaves behind",
    "Frozen environments close nothing. The proxy closes its clients at the idle client timeout; a database "
    "without a proxy keeps them until its own wait_timeout.",
    _of,
)
