"""Connections against concurrency: the peak during the burst, and what stays open afterwards."""

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from poolbench.report.charts import style
from poolbench.report.metrics.bursts import BurstRow, ConnectionCount, connection_limit, contenders

Of = Callable[[BurstRow], ConnectionCount | None]
_COLUMNS: Sequence[tuple[str, Of]] = (
    ("clients to proxy", lambda row: row.clients),
    ("proxy to database", lambda row: row.database if row.route == "proxy" else None),
    ("to the database, no proxy", lambda row: row.database if row.route == "database" else None),
)


@style.styled
def concurrency(rows: Sequence[BurstRow], axis: str, limit: int | None) -> Figure | None:
    """Peak and rest against environments or threads; None with fewer than two numbers of them.

    Args:
        rows: of strategies.
        axis: `environments` (with one thread each) or `threads` (in one environment).
        limit: of connections at the server, drawn if it is in sight.

    """
    other = "threads" if axis == "environments" else "environments"
    rows = [row for row in rows if getattr(row, other) == 1]
    numbers = sorted({int(getattr(row, axis)) for row in rows})
    if len(numbers) < 2:
        return None
    figure, axes = style.panels(6, columns=3, height_in=1.9, sharex=True, sharey=True)
    for place, (title, of) in enumerate(_COLUMNS):
        above, below = axes[place], axes[3 + place]
        above.set_title(title)
        for panel in (above, below):
            panel.plot(numbers, numbers, color=style.MUTED, linewidth=0.8, linestyle=style.DOTTED)
        if limit is not None and place and limit <= 1.3 * numbers[-1]:
            style.limit_line(above, limit, horizontal=True)
            above.text(numbers[0], limit, "max_connections", va="bottom", fontsize=7.5, color=style.INK)
        for order, label in enumerate(dict.fromkeys(row.label for row in rows)):
            found = [(getattr(row, axis), of(row)) for row in rows if row.label == label]
            counts = [(number * style.SHIFT**order, count) for number, count in found if count]
            x, look = [at for at, _ in counts], style.look_of(label)
            face = "none" if look.hollow else look.color
            marker: dict[str, Any] = {"marker": look.marker, "markersize": 4.5, "markerfacecolor": face}
            above.plot(x, [count.peak for _, count in counts], **style.line_of(label), **marker)
            below.plot(x, [count.left for _, count in counts], **style.line_of(label), **marker)
    axes[0].set_ylabel("peak")
    axes[3].set_ylabel("left open")
    style.concurrency_axis(axes[0].xaxis, numbers)
    axes[0].set_ylim(bottom=-0.03 * numbers[-1])
    axes[0].yaxis.set_major_locator(MaxNLocator(5, integer=True))
    style.legend_of(figure, axes[0])
    what = "concurrent environments" if axis == "environments" else "concurrent threads in one environment"
    figure.supxlabel(f"{what}, log scale   (dotted: one connection each)")
    figure.supylabel("open connections   (fewer is better)")
    return figure


_READING = (
    "Above: the most connections open at any sample of the burst. Below: connections still open when all "
    "requests are answered and the environments are frozen. On the dotted line, each has one."
)
CHART: style.BurstChart = style.Chart(
    "concurrency",
    "Connections against concurrent environments",
    _READING,
    lambda dataset, rows: concurrency(contenders(rows), "environments", connection_limit(dataset)),
)
THREADS: style.BurstChart = style.Chart(
    "threads",
    "Connections against concurrent threads in one environment",
    f"{_READING} A pool keeps its size, and adds its overflow while it has to.",
    lambda dataset, rows: concurrency(contenders(rows), "threads", connection_limit(dataset)),
)
