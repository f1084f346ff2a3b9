"""Bursts from rows and samples that are made up by hand, so that every figure is known."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.report.charts.burst_latency import burst_latency
from poolbench.report.charts.concurrency import concurrency
from poolbench.report.charts.leak import leak
from poolbench.report.columns import BURSTS, gone
from poolbench.report.load import CannotLoad, Dataset
from poolbench.report.metrics.bursts import (
    SETTLED_S,
    BurstRow,
    BurstSeries,
    ConnectionCount,
    burst_table,
    is_burst,
    largest,
    sampling_interval_s,
    series_of,
)
from poolbench.report.render import as_text, render
from poolbench.report.requests import RequestKind

S = 1_000_000_000
BEGAN, ENDED = 10 * S, 11 * S  # of every cell's burst, in wall nanoseconds


def requests(cell: str = "a", n: int = 4, **more: Any) -> list[dict[str, Any]]:
    """Requests of one cell, the last of them done at ENDED."""
    row = {
        "campaign": "c",
        "cell": cell,
        "label": "queuepool",
        "route": "proxy",
        "failure": "idle_close",
        "environments": 2,
        "threads": 1,
        "counted": True,
        "baseline": False,
        "kind": RequestKind.BURST,
        "failed": False,
        "error_code": None,
        "error_class": None,
        "latency_s": 0.05,
        "connects": 1,
    }
    return [row | {"done_wall_ns": ENDED - 1000 * place} | more for place in range(n)]


def samples(
    source: str, metric: str, values: dict[float, float], group: str = "", cell: str = "a"
) -> list[dict[str, Any]]:
    """Values by seconds since the last answer."""

    def phase(at_s: float) -> str:
        return "before" if at_s < -1 else "burst" if at_s <= 0 else "tail"

    return [
        {
            "campaign": "c",
            "cell": cell,
            "phase": phase(at_s),
            "wall_ns": ENDED + round(at_s * S),
            "source": source,
            "metric": metric,
            "group": group,
            "value": value,
        }
        for at_s, value in values.items()
    ]


TIMES = (-1.5, -0.5, 0.05, 0.2, 1.0, 2.0)


def series(*values: float) -> dict[float, float]:
    return dict(zip(TIMES, values, strict=True))


def dataset(rows: list[dict[str, Any]], connections: list[dict[str, Any]]) -> Dataset:
    columns = ["campaign", "cell", "phase", "wall_ns", "source", "metric", "group", "value"]
    nothing = pd.DataFrame()
    return Dataset((), pd.DataFrame(rows), pd.DataFrame(connections, columns=columns), nothing, nothing, ())


PROXY = samples("proxy", "DatabaseConnections", series(0, 2, 2, 1, 0, 0))
CLIENTS = samples("proxy", "ClientConnections", series(0, 2, 2, 2, 2, 0), group="queuepool")
SERVER = samples("server", "Threads_connected", series(3, 5, 5, 4, 3, 3))


def only(found: Dataset) -> BurstRow:
    (row,) = burst_table(found)
    return row


def test_peak_rest_and_end_of_connections() -> None:
    row = only(dataset(requests(), PROXY + CLIENTS + SERVER))
    assert row.clients == ConnectionCount(peak=2, left=2, gone_s=2.0, watched_s=2.0)
    # The server had 3 before: the sampler's, and of others.
    assert row.database == ConnectionCount(peak=2, left=1, gone_s=1.0, watched_s=2.0)


def test_what_stays_to_the_end_is_never_gone() -> None:
    row = only(
        dataset(
            requests(route="database", failure="direct"),
            samples("server", "Threads_connected", series(1, 3, 3, 3, 3, 3)),
        )
    )
    assert row.clients is None
    assert row.database == ConnectionCount(peak=2, left=2, gone_s=math.inf, watched_s=2.0)
    assert gone(row.database) == "> 2.0"


def test_a_strategy_that_the_proxy_has_not_met_has_no_connections_there() -> None:
    row = only(dataset(requests(label="nullpool"), PROXY + CLIENTS + SERVER))
    assert row.clients == ConnectionCount(peak=0, left=0, gone_s=0.0, watched_s=2.0)


def test_where_nobody_counts_the_proxys_clients_nothing_is_said_of_them() -> None:
    row = only(dataset(requests(), SERVER))
    assert row.clients is None
    assert row.database is not None


def test_a_cell_without_samples_still_tells_of_its_requests() -> None:
    row = only(dataset(requests(), []))
    assert (row.clients, row.database, row.failed.n) == (None, None, 4)


def test_of_replicates_the_highest_count_is_told() -> None:
    again = [one | {"cell": "b"} for one in samples("server", "Threads_connected", series(0, 9, 9, 7, 7, 7))]
    row = only(dataset(requests() + requests("b"), PROXY + CLIENTS + SERVER + again))
    assert row.database == ConnectionCount(peak=9, left=7, gone_s=math.inf, watched_s=2.0)
    assert row.failed.n == 8


def test_losses_are_told_by_code_or_class() -> None:
    rows = [
        *requests(),
        *requests(n=2, failed=True, error_code=1040.0, error_class="pymysql.err.OperationalError"),
        *requests(n=3, failed=True, error_class="sqlalchemy.exc.TimeoutError"),
        *requests(n=5, counted=False, failed=True),  # of an attempt that was abandoned
    ]
    row = only(dataset(rows, []))
    assert row.errors == {"TimeoutError": 3, "1040": 2}
    assert (row.failed_count, row.failed.n) == (5, 9)
    assert row.latency.median.n == 4
    assert "TimeoutError x 3, 1040 x 2" in as_text(render(BURSTS, [row]))


def test_the_interval_is_that_of_the_samples_of_each_campaign() -> None:
    other = [one | {"campaign": "d", "wall_ns": one["wall_ns"] + S // 10} for one in SERVER]
    assert sampling_interval_s(dataset(requests(), SERVER + CLIENTS + other)) == pytest.approx(0.8)
    assert math.isnan(sampling_interval_s(dataset(requests(), [])))


def test_a_campaign_about_gaps_is_no_burst() -> None:
    assert is_burst(dataset(requests(), []))
    assert not is_burst(dataset(requests(kind=RequestKind.WARM), []))
    both = requests() + requests(kind=RequestKind.WARM, campaign="quick-1")
    with pytest.raises(CannotLoad, match="c is about concurrency, quick-1 about gaps: report them"):
        is_burst(dataset(both, []))


@given(
    st.lists(
        st.tuples(st.floats(-3, 3), st.integers(0, 5)), min_size=1, max_size=30, unique_by=lambda x: x[0]
    )
)
def test_a_count_is_what_a_look_at_every_sample_says(points: list[tuple[float, int]]) -> None:
    points.sort()
    seconds, counts = (np.array(column, float) for column in zip(*points, strict=True))
    found = BurstSeries(seconds, counts, seconds <= 0).count()
    tail = [(at, count) for at, count in points if at >= SETTLED_S]
    assert found.peak == max([count for at, count in points if at <= 0], default=0)
    assert found.left == (tail[0][1] if tail else 0)
    if math.isinf(found.gone_s):
        assert tail[-1][1] > 0
    else:
        assert all(count == 0 for at, count in tail if at >= found.gone_s)
    if found.left and math.isfinite(found.gone_s):
        assert SETTLED_S < found.gone_s <= found.watched_s


def rows_of(environments: tuple[int, ...]) -> list[BurstRow]:
    one = only(dataset(requests(), PROXY + CLIENTS + SERVER))
    return [replace(one, environments=number) for number in environments]


def test_charts_say_unit_and_which_side_is_better(tmp_path: Path) -> None:
    found = series_of(dataset(requests(), PROXY + CLIENTS + SERVER), rows_of((2,))[0], clients=True)
    assert found is not None
    figures = [
        concurrency(rows_of((1, 2, 8)), "environments", 9),
        leak([("clients to proxy", [("queuepool", found)]), ("nothing", [])], 2.0),
        burst_latency(rows_of((1, 2))),
    ]
    for figure in figures:
        assert figure is not None
        assert "is better" in figure.get_supylabel()
        figure.savefig(tmp_path / "figure.png")


@pytest.mark.parametrize("axis", ["environments", "threads"])
def test_one_number_alone_makes_no_chart(axis: str) -> None:
    assert concurrency(rows_of((2,)), axis, None) is None
    assert burst_latency(rows_of((2,))) is None
    assert leak([("clients to proxy", [])], 2.0) is None


def test_every_number_of_a_burst_is_that_of_its_requests() -> None:
    rows = [row for ms in (10, 20, 30, 90) for row in requests(n=1, latency_s=ms / 1000, connects=ms // 10)]
    rows += requests(n=1, latency_s=5.0, failed=True, error_code=2013.0, connects=2)
    row = only(dataset(rows, []))
    assert (row.failed.value, row.failed.n, row.failed_count) == (0.2, 5, 1)
    assert (row.latency.median.value, row.latency.p95.value, row.latency.maximum) == (0.02, 0.09, 0.09)
    assert row.connects == (1 + 2 + 3 + 9 + 2) / 5


def test_the_largest_burst_is_that_of_one_thread_without_controls() -> None:
    one = rows_of((1, 4, 8))
    control = [replace(row, label="no_database") for row in one]
    threads = [replace(row, environments=99, threads=8) for row in one]
    assert [row.environments for row in largest([*one, *control, *threads])] == [8]
