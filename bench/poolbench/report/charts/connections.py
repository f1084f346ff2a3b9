"""Open connections over time: client to proxy by strategy, and proxy to database."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from poolbench.report.charts import style
from poolbench.report.metrics.connections import OpenConnections, StepSeries, open_connections

_COLUMNS = 3


@style.styled
def connections(found: OpenConnections | None) -> Figure | None:
    """One panel for each strategy and one for the database side; None if nothing was sampled."""
    if found is None:
        return None
    above = -(-len(found.clients) // _COLUMNS)
    figure = Figure(figsize=(style.WIDTH_IN, 1.35 * (above + 1) + 0.4), layout="constrained")
    grid = figure.add_gridspec(above + 1, _COLUMNS)
    first: Axes | None = None
    for place, (label, one) in enumerate(found.clients.items()):
        axis = figure.add_subplot(grid[divmod(place, _COLUMNS)], sharex=first, sharey=first)
        first = first or axis
        color = style.look_of(label).color
        axis.fill_between(one.seconds, one.values, step="post", color=color, alpha=0.35, linewidth=0)
        _step(axis, one, color=color, linewidth=1)
        axis.set_title(style.name_of(label))
        axis.set_title(f"mean {one.mean:.1f}", loc="right", fontweight="normal")
        _scale(axis, found.clients_highest)
    below = figure.add_subplot(grid[above, :], sharex=first)
    for total, name, line in (
        (found.backends, "opened by the proxy", "-"),
        (found.threads, "all of the server", (0, (1, 1))),
    ):
        if total:
            _step(below, total, color=style.INK, linestyle=line, label=name)
    below.set_title("proxy to database")
    if below.get_legend_handles_labels()[0]:
        below.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    _scale(below, below.dataLim.y1)
    figure.supxlabel("time since the campaign began, s")
    figure.supylabel("open connections   (fewer is better)")
    return figure


def _step(axis: Axes, series: StepSeries, **look: Any) -> None:
    axis.step(series.seconds, series.values, where="post", **look)


def _scale(axis: Axes, highest: float) -> None:
    axis.set_ylim(0, 1.08 * max(highest, 1))
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))


CHART: style.ScenarioChart = style.Chart(
    "connections",
    "Open connections over time",
    "Connections that clients have open at the proxy, by strategy, and connections to the database. A "
    "sampler counts them on its own connection, which is left out.",
    lambda scenario, _: connections(open_connections(scenario)),
)
