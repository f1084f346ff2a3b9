"""The page of a campaign about concurrency."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from poolbench.function.strategies import CONTROL, REFERENCE
from poolbench.report import burst_columns, columns, render
from poolbench.report.bursts import BurstRow, Series, burst_table, interval_s, series_of
from poolbench.report.cautions import cautions, told
from poolbench.report.errors import Error, errors
from poolbench.report.figures.concurrency import burst_latency, concurrency, leak
from poolbench.report.load import Dataset
from poolbench.report.page import PAGE, Pictures, Report, template, told_provenance
from poolbench.report.settings import split, twin_of
from poolbench.report.watched import METRICS, watched


@dataclass(frozen=True, slots=True)
class _Chart:
    """A kind of chart; `draw` returns None where too little was measured for it."""

    name: str  # of its file
    title: str
    reading: str
    draw: Callable[[Dataset, Sequence[BurstRow]], Figure | None]


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart, and how to read it."""

    title: str
    reading: str
    svg: Markup


def write_burst_report(dataset: Dataset, out: Path) -> Report:
    """Write `report.html` and `figures/*.png` of bursts."""
    rows = burst_table(dataset)
    pictures = Pictures(out / "figures")
    shown = tuple(_pictures(dataset, rows, pictures))
    table = render.render(burst_columns.BURSTS, rows)
    found = cautions(dataset, ())
    page = out / PAGE
    page.write_text(
        template("burst.html.j2").render(
            rows_at_most=_at_most(rows),
            table=table,
            verdict=_verdict,
            told=_told,
            pictures=shown,
            errors=_errors(dataset),
            cannot_say=tuple(_cannot_say(dataset)),
            headers=dataset.headers,
            provenance=[dict(told_provenance(header.content)) for header in dataset.headers],
            cautions=found,
            is_local=any(header.is_local for header in dataset.headers),
            rows=len(dataset.rows),
            uncounted=int((~dataset.rows["counted"]).sum()),
            metrics=render.render(METRICS, watched(dataset.cloudwatch)),
            render=render,
            columns=columns,
        ),
        encoding="utf-8",
    )
    return Report(page, tuple(pictures.written), f"{render.as_text(table)}\n", told(found))


def _contenders(rows: Sequence[BurstRow]) -> list[BurstRow]:
    """Without the A/A twin and the control."""
    return [row for row in rows if row.label not in (CONTROL, twin_of(REFERENCE))]


def _at_most(rows: Sequence[BurstRow]) -> list[BurstRow]:
    """Of each strategy and endpoint what the most environments did."""
    found = [row for row in _contenders(rows) if row.threads == 1]
    most = max((row.environments for row in found), default=0)
    return [row for row in found if row.environments == most]


def _verdict(row: BurstRow) -> str:
    if not row.lost_count:
        return "lost no request"
    return f"lost {row.lost_count} of {row.lost.n} requests ({', '.join(row.said)})"


def _told(row: BurstRow) -> str:
    """What is said of its connections in the answer."""
    parts = []
    if row.clients and row.database:
        both = f"{row.clients.peak} connections to the proxy and {row.database.peak} to the database"
        parts.append(f"{both} at the peak")
    elif row.database:
        parts.append(f"{row.database.peak} connections to the database at the peak")
    holder = row.clients or row.database
    if holder and holder.left:
        when = burst_columns.gone(holder)
        until = f"still there after {when[2:]} s" if when.startswith(">") else f"gone after {when} s"
        parts.append(f"{holder.left} left open afterwards, {until}")
    elif holder:
        parts.append("none left open afterwards")
    return "; ".join(parts)


def _pictures(dataset: Dataset, rows: Sequence[BurstRow], pictures: Pictures) -> Iterator[Picture]:
    for chart in CHARTS:
        figure = chart.draw(dataset, rows)
        if figure is not None:
            yield Picture(chart.title, chart.reading, pictures.add(figure, chart.name))


def _limit(dataset: Dataset) -> int | None:
    """max_connections of the server; None where campaigns differ."""
    limits = {int(header.content["server"]["variables"]["max_connections"]) for header in dataset.headers}
    return limits.pop() if len(limits) == 1 else None


def _leaks(dataset: Dataset, rows: Sequence[BurstRow]) -> list[tuple[str, list[tuple[str, Series]]]]:
    def lines(endpoint: str, *, clients: bool) -> list[tuple[str, Series]]:
        found = [
            (row.label, series_of(dataset, row, clients=clients)) for row in rows if row.endpoint == endpoint
        ]
        return [(label, series) for label, series in found if series]

    return [
        ("clients to proxy", lines("proxy", clients=True)),
        ("proxy to database", lines("proxy", clients=False)),
        ("to the database, no proxy", lines("database", clients=False)),
    ]


def _errors(dataset: Dataset) -> tuple[Error, ...]:
    return tuple(error for setting in split(dataset) for error in errors(setting))


def _cannot_say(dataset: Dataset) -> Iterator[str]:
    header = dataset.headers[0].content
    yield (
        f"Counts are exact at each sample, every {render.milliseconds(interval_s(dataset))} ms. A peak "
        "between two is not seen, so the peak may be a little higher; what clients leave open afterwards is "
        "at rest, and exact."
    )
    if dataset.headers[0].is_local:
        yield (
            f"Latencies are those of a closed loop on a machine of {header['machine']['cores']} cores, which "
            "environments, proxy and database share: with many at once they measure the wait for a core, and "
            "the lab's proxy, which is not RDS Proxy, before they measure a strategy. Compare counts, not "
            "milliseconds."
        )
        yield (
            "Database connections that the proxy has no use for are closed after "
            f"{header['target']['proxy']['DatabaseIdleAfter']:.2g} s here, and after minutes by RDS Proxy: "
            "how many of them are left right after a burst is caught in passing."
        )
    yield (
        "Requests of one burst are not independent of each other, as the intervals take them to be: a second "
        "burst may differ by more. The A/A pair shows by how much it did."
    )
    yield (
        "What is closed when an environment ends: here all stay frozen, and a frozen one runs no code. Lambda"
        " ends them when it likes, and sends Python 3.12 and later SIGTERM if an extension is registered:"
        " a dispose() in its handler shortens what is left behind, and does nothing for the gap."
    )
    yield (
        "Every thread waits for its answer before it thinks and asks again. Arrivals that do not wait, as "
        "those of a public API, pile up where these slow down."
    )


_COUNTED = (
    "Above: the most connections that were open at any sample during the burst. Below: those still open once"
    " all is answered and the environments are frozen. What lies on the dotted line has one each."
)
CHARTS = (
    _Chart(
        "concurrency",
        "Connections against environments at once",
        _COUNTED,
        lambda dataset, rows: concurrency(_contenders(rows), "environments", _limit(dataset)),
    ),
    _Chart(
        "threads",
        "Connections against threads in one environment",
        f"{_COUNTED} A pool's size is what it keeps, its overflow what it adds while it must.",
        lambda dataset, rows: concurrency(_contenders(rows), "threads", _limit(dataset)),
    ),
    _Chart(
        "leak",
        "What the largest burst leaves behind",
        "Frozen environments close nothing. The proxy closes its clients at the idle client timeout; a"
        " database without a proxy keeps them until its own wait_timeout.",
        lambda dataset, rows: leak(_leaks(dataset, _at_most(rows)), dataset.headers[0].timeout_s),
    ),
    _Chart(
        "burst_latency",
        "Latency against environments at once",
        "Markers are medians of answered requests, the bar above each ends at the 95th percentile. Read it"
        " beside the control, which asks no database.",
        lambda _, rows: burst_latency([row for row in rows if row.label != twin_of(REFERENCE)]),
    ),
)
