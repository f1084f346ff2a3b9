"""Latency of bursts against the number of concurrent environments."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from poolbench.report.charts import style
from poolbench.report.metrics.bursts import BurstRow
from poolbench.report.scenarios import AA_CONTROL


@style.styled
def burst_latency(rows: Sequence[BurstRow]) -> Figure | None:
    """Median and 95th percentile against environments; None with fewer than two numbers of them."""
    rows = [row for row in rows if row.threads == 1]
    numbers = sorted({row.environments for row in rows})
    routes = list(dict.fromkeys(row.route for row in rows))
    if len(numbers) < 2:
        return None
    figure, axes = style.panels(len(routes), columns=2, height_in=2.4, sharex=True, sharey=True)
    for panel, route in zip(axes, routes, strict=True):
        panel.set_title("through the proxy" if route == "proxy" else "no proxy")
        of_route = [row for row in rows if row.route == route]
        for order, label in enumerate(dict.fromkeys(row.label for row in of_route)):
            look = style.look_of(label)
            own = [row for row in of_route if row.label == label and row.latency.median.n]
            x = [row.environments * style.SHIFT**order for row in own]
            median = [1e3 * row.latency.median.value for row in own]
            p95 = [1e3 * row.latency.p95.value for row in own]
            panel.plot(x, median, marker=look.marker, **style.line_of(label))
            panel.vlines(x, median, p95, color=look.color, linewidth=0.9)
            panel.plot(x, p95, color=look.color, linestyle="", marker="_", markersize=6)
    style.concurrency_axis(axes[0].xaxis, numbers)
    axes[0].set_yscale("log")
    style.logarithmic(axes[0].yaxis)
    style.legend_of(figure, axes[0])
    figure.supxlabel("concurrent environments, log scale")
    figure.supylabel("latency, ms, log scale   (lower is better)")
    return figure


CHART: style.BurstChart = style.Chart(
    "burst_latency",
    "Latency against concurrent environments",
    "Markers are medians of successful requests; the bar above each ends at the 95th percentile. Compare "
    "with the control, which uses no database.",
    lambda _, rows: burst_latency([row for row in rows if row.label != AA_CONTROL]),
)
