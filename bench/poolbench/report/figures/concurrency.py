"""Connections against concurrency: while all ask at once, and what they leave behind."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from poolbench.report.bursts import BurstRow, Count, Series
from poolbench.report.style import INK, MUTED, look_of, name_of, panels, styled

_SHIFT = 1.035  # between strategies, so that equal ones can be told apart
Of = Callable[[BurstRow], Count | None]


def _clients(row: BurstRow) -> Count | None:
    return row.clients


def _behind(row: BurstRow) -> Count | None:
    return row.database if row.endpoint == "proxy" else None


def _direct(row: BurstRow) -> Count | None:
    return row.database if row.endpoint == "database" else None


_COLUMNS: Sequence[tuple[str, Of]] = (
    ("clients to proxy", _clients),
    ("proxy to database", _behind),
    ("to the database, no proxy", _direct),
)


@styled
def concurrency(rows: Sequence[BurstRow], axis: str, limit: int | None) -> Figure | None:
    """Peak and rest against environments or threads; None where fewer than two numbers were measured.

    Args:
        rows: of strategies.
        axis: `environments` (with one thread each) or `threads` (in one environment).
        limit: of connections at the server, drawn where it is in sight.

    """
    other = "threads" if axis == "environments" else "environments"
    rows = [row for row in rows if getattr(row, other) == 1]
    numbers = sorted({int(getattr(row, axis)) for row in rows})
    if len(numbers) < 2:
        return None
    figure, axes = panels(6, columns=3, height_in=1.9, sharex=True, sharey=True)
    for place, (title, of) in enumerate(_COLUMNS):
        above, below = axes[place], axes[3 + place]
        above.set_title(title)
        for panel in (above, below):
            panel.plot(numbers, numbers, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        if limit is not None and place and limit <= 1.3 * numbers[-1]:
            above.axhline(limit, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
            above.text(numbers[0], limit, "max_connections", va="bottom", fontsize=7.5, color=INK)
        for order, label in enumerate(dict.fromkeys(row.label for row in rows)):
            found = [(getattr(row, axis), of(row)) for row in rows if row.label == label]
            counts = [(number * _SHIFT**order, count) for number, count in found if count]
            _line(above, label, [(x, count.peak) for x, count in counts])
            _line(below, label, [(x, count.left) for x, count in counts])
    axes[0].set_ylabel("most at once")
    axes[3].set_ylabel("left afterwards")
    axes[0].set_xscale("log", base=2)
    axes[0].set_xticks(numbers, [str(number) for number in numbers])
    axes[0].xaxis.set_minor_locator(NullLocator())
    axes[0].set_ylim(bottom=-0.03 * numbers[-1])
    axes[0].yaxis.set_major_locator(MaxNLocator(5, integer=True))
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=5)
    what = "environments at once" if axis == "environments" else "threads at once, in one environment"
    figure.supxlabel(f"{what}, log scale   (dotted: one connection each)")
    figure.supylabel("open connections   (fewer is better)")
    return figure


def _line(panel: Axes, label: str, points: Sequence[tuple[float, int]]) -> None:
    look = look_of(label)
    panel.plot(
        [x for x, _ in points],
        [y for _, y in points],
        label=name_of(label),
        color=look.color,
        linestyle=look.line,
        marker=look.marker,
        markersize=4.5,
        markerfacecolor="none" if look.hollow else look.color,
    )


@styled
def leak(found: Sequence[tuple[str, Sequence[tuple[str, Series]]]], timeout_s: float) -> Figure | None:
    """Connections over time, from the burst until they are gone.

    Args:
        found: for each panel its title, and for each strategy its counts; empty panels are left out.
        timeout_s: the proxy's idle client timeout.

    """
    found = [(title, lines) for title, lines in found if lines]
    if not found:
        return None
    figure, axes = panels(len(found), columns=3, height_in=2.3, sharex=True, sharey=True)
    for panel, (title, lines) in zip(axes, found, strict=True):
        panel.set_title(title)
        panel.axvline(timeout_s, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        panel.axvline(0, color=MUTED, linewidth=0.8)
        for label, series in lines:
            look = look_of(label)
            panel.step(
                series.seconds,
                series.counts,
                where="post",
                label=name_of(label),
                color=look.color,
                linestyle=look.line,
            )
    axes[0].set_ylim(bottom=0)
    began = min(series.seconds[series.burst].min(initial=0.0) for _, lines in found for _, series in lines)
    axes[0].set_xlim(1.1 * began, 1.15 * timeout_s)
    axes[0].yaxis.set_major_locator(MaxNLocator(5, integer=True))
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=5)
    figure.supxlabel("time since the burst's last answer, s   (dashed: idle client timeout)")
    figure.supylabel("open connections   (fewer is better)")
    return figure


@styled
def burst_latency(rows: Sequence[BurstRow]) -> Figure | None:
    """Median and 95th percentile against environments; None where fewer than two numbers were measured."""
    rows = [row for row in rows if row.threads == 1]
    numbers = sorted({row.environments for row in rows})
    endpoints = list(dict.fromkeys(row.endpoint for row in rows))
    if len(numbers) < 2:
        return None
    figure, axes = panels(len(endpoints), columns=2, height_in=2.4, sharex=True, sharey=True)
    for panel, endpoint in zip(axes, endpoints, strict=True):
        panel.set_title("through the proxy" if endpoint == "proxy" else "no proxy")
        of_endpoint = [row for row in rows if row.endpoint == endpoint]
        for order, label in enumerate(dict.fromkeys(row.label for row in of_endpoint)):
            look = look_of(label)
            mine = [row for row in of_endpoint if row.label == label and row.latency.median.n]
            x = [row.environments * _SHIFT**order for row in mine]
            median = [1e3 * row.latency.median.value for row in mine]
            p95 = [1e3 * row.latency.p95.value for row in mine]
            panel.plot(
                x, median, label=name_of(label), color=look.color, linestyle=look.line, marker=look.marker
            )
            panel.vlines(x, median, p95, color=look.color, linewidth=0.9)
            panel.plot(x, p95, color=look.color, linestyle="", marker="_", markersize=6)
    axes[0].set_xscale("log", base=2)
    axes[0].set_yscale("log")
    axes[0].set_xticks(numbers, [str(number) for number in numbers])
    axes[0].xaxis.set_minor_locator(NullLocator())
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[0].yaxis.set_minor_locator(NullLocator())
    axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=5)
    figure.supxlabel("environments at once, log scale")
    figure.supylabel("latency, ms, log scale   (lower is better)")
    return figure
