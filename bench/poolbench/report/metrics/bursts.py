"""Bursts: concurrent requests and connections, and what was left open afterwards."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from poolbench.function.strategies import CONTROL
from poolbench.report.load import CannotLoad, Dataset
from poolbench.report.metrics.connections import BACKENDS, CLIENTS, THREADS
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import AA_CONTROL
from poolbench.report.statistics import Estimate, Quantiles, rate

SETTLED_S = 0.1  # after the last answer, by which a connection that is being closed is closed
_KEYS = ["label", "route", "failure", "environments", "threads"]
_CELL = ["campaign", "cell"]


@dataclass(frozen=True, slots=True)
class ConnectionCount:
    """Connections of one kind in one kind of cell; of replicates the highest count."""

    peak: int  # most that were open at any sample of the burst
    left: int  # open after the burst, once nothing changed any more
    gone_s: float  # from the last answer until none was open; infinite if some stayed open to the end
    watched_s: float  # how long they were watched from the last answer


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstRow:
    """One strategy at one concurrency."""

    label: str  # strategy, or one of the controls
    route: str  # proxy or database
    failure: str  # see `poolbench.campaign.failures`
    environments: int  # concurrent ones
    threads: int  # in each environment
    failed: Estimate  # share of requests that failed or hung
    failed_count: int  # the same as a number
    errors: dict[str, int]  # native codes, or classes, of the failed requests, with how often
    latency: Quantiles  # of the successful requests
    connects: float  # connections opened per request
    # connections to the proxy; None without a proxy, or if nobody counted them
    clients: ConnectionCount | None
    # connections to the database, from both sides; None for the no-database control
    database: ConnectionCount | None


@dataclass(frozen=True, slots=True)
class BurstSeries:
    """Counts of one kind of connection in one cell."""

    seconds: np.ndarray[Any, np.dtype[np.float64]]  # since the cell's last answer; negative before it
    counts: np.ndarray[Any, np.dtype[np.float64]]  # at these times
    burst: np.ndarray[Any, np.dtype[np.bool_]]  # which of these times are during the burst

    def count(self) -> ConnectionCount:
        """Summarise the series."""
        over = self.seconds >= SETTLED_S
        seconds, counts = self.seconds[over], self.counts[over]
        some = np.flatnonzero(counts > 0)
        if not len(some):
            gone_s = 0.0
        elif some[-1] + 1 < len(counts):
            gone_s = float(seconds[some[-1] + 1])
        else:
            gone_s = math.inf
        return ConnectionCount(
            peak=int(max(self.counts[self.burst], default=0)),
            left=int(counts[0]) if len(counts) else 0,
            gone_s=gone_s,
            watched_s=float(seconds[-1]) if len(seconds) else 0.0,
        )


def is_burst(dataset: Dataset) -> bool:
    """Whether the dataset is about concurrency and not about gaps.

    Raises:
        CannotLoad: some of the campaigns are about concurrency, others about gaps.

    """
    of_bursts = dataset.rows["kind"] == RequestKind.BURST
    if of_bursts.any() and not of_bursts.all():
        gaps, bursts = (
            ", ".join(map(str, dataset.rows.loc[chosen, "campaign"].unique()))
            for chosen in (~of_bursts, of_bursts)
        )
        raise CannotLoad(f"{bursts} is about concurrency, {gaps} about gaps: report them one by one")
    return bool(of_bursts.any())


def burst_table(dataset: Dataset) -> tuple[BurstRow, ...]:
    """One row for each strategy, route and concurrency, in the campaign's order of strategies."""
    rows = _bursts(dataset)
    by_cell = dict(iter(dataset.connections.groupby(_CELL, observed=True)))
    found = []
    for keys, group in rows.groupby(_KEYS, observed=True):
        assert isinstance(keys, tuple)
        found.append(_burst_row(dict(zip(_KEYS, keys, strict=True)), group, by_cell))
    return tuple(found)


def series_of(dataset: Dataset, row: BurstRow, *, clients: bool) -> BurstSeries | None:
    """Connections over time in the first cell of a row; None if nobody counted them."""
    rows = _bursts(dataset)
    for name in _KEYS:
        rows = rows[rows[name] == getattr(row, name)]
    campaign, cell = rows.iloc[0][_CELL]
    samples = dataset.connections
    samples = samples[(samples["campaign"] == campaign) & (samples["cell"] == cell)]
    done_ns = int(rows.loc[rows["cell"] == cell, "done_wall_ns"].max())
    return _clients(samples, row.label, done_ns) if clients else _database(samples, done_ns)


def contenders(rows: Sequence[BurstRow]) -> list[BurstRow]:
    """The rows without the controls."""
    return [row for row in rows if row.label not in (CONTROL, AA_CONTROL)]


def largest(rows: Sequence[BurstRow]) -> list[BurstRow]:
    """What each strategy did at each route with the most environments, one thread each."""
    found = [row for row in contenders(rows) if row.threads == 1]
    most = max((row.environments for row in found), default=0)
    return [row for row in found if row.environments == most]


def connection_limit(dataset: Dataset) -> int | None:
    """max_connections of the server; None if it differs between campaigns."""
    limits = {int(header.server.variables["max_connections"]) for header in dataset.headers}
    return limits.pop() if len(limits) == 1 else None


def series_of_largest(
    dataset: Dataset, rows: Sequence[BurstRow], route: str, *, clients: bool
) -> list[tuple[str, BurstSeries]]:
    """Connections over time in the largest burst through an route, by strategy; see `series_of`."""
    found = [
        (row.label, series_of(dataset, row, clients=clients)) for row in largest(rows) if row.route == route
    ]
    return [(label, series) for label, series in found if series]


def sampling_interval_s(dataset: Dataset) -> float:
    """Median time between samples; NaN without samples."""
    samples = dataset.connections
    times = samples.loc[samples["metric"] == THREADS, ["campaign", "wall_ns"]].sort_values("wall_ns")
    return float(times.groupby("campaign", observed=True)["wall_ns"].diff().median()) / 1e9


def _bursts(dataset: Dataset) -> pd.DataFrame:
    rows = dataset.rows
    return rows[rows["counted"] & (rows["kind"] == RequestKind.BURST)]


def _burst_row(keys: dict[str, Any], rows: pd.DataFrame, by_cell: dict[Any, pd.DataFrame]) -> BurstRow:
    failed = rows[rows["failed"]]
    through_proxy, is_baseline = keys["route"] == "proxy", bool(rows["baseline"].iloc[0])
    clients, database = [], []
    for cell, group in rows.groupby(_CELL, observed=True):
        samples, done_ns = by_cell.get(cell), int(group["done_wall_ns"].max())
        if samples is None or is_baseline:
            continue
        if through_proxy and (series := _clients(samples, keys["label"], done_ns)):
            clients.append(series.count())
        if series := _database(samples, done_ns):
            database.append(series.count())
    return BurstRow(
        **keys,
        failed=rate(len(failed), len(rows)),
        failed_count=len(failed),
        errors=dict(Counter(_errors(failed)).most_common()),
        latency=Quantiles.of(rows.loc[~rows["failed"], "latency_s"].to_numpy()),
        connects=float(rows["connects"].mean()),
        clients=_highest(clients),
        database=_highest(database),
    )


def _errors(failed: pd.DataFrame) -> Iterator[str]:
    for code, error_class in zip(failed["error_code"], failed["error_class"], strict=True):
        yield str(error_class).rpartition(".")[2] if pd.isna(code) else str(int(code))


def _highest(counts: list[ConnectionCount]) -> ConnectionCount | None:
    if not counts:
        return None
    return ConnectionCount(
        max(one.peak for one in counts),
        max(one.left for one in counts),
        max(one.gone_s for one in counts),
        min(one.watched_s for one in counts),
    )


def _clients(samples: pd.DataFrame, label: str, done_ns: int) -> BurstSeries | None:
    """Connections of one label to the proxy; none for a label that never connected to it."""
    of_proxy = samples[samples["source"] == "proxy"]
    if of_proxy.empty:
        return None
    mine = of_proxy[(of_proxy["metric"] == CLIENTS) & (of_proxy["group"] == label)]
    times = of_proxy.loc[of_proxy["metric"] == BACKENDS, ["wall_ns", "phase"]]
    found = times.merge(mine[["wall_ns", "value"]], on="wall_ns", how="left").fillna({"value": 0.0})
    return _series(found, done_ns)


def _database(samples: pd.DataFrame, done_ns: int) -> BurstSeries | None:
    """Connections to the server without those open before the burst: the sampler's, an administrator's."""
    found = samples[(samples["source"] == "server") & (samples["metric"] == THREADS)]
    before = found.loc[found["phase"] == "before", "value"]
    if before.empty:
        return None
    return _series(found.assign(value=(found["value"] - before.min()).clip(lower=0)), done_ns)


def _series(samples: pd.DataFrame, done_ns: int) -> BurstSeries:
    samples = samples.sort_values("wall_ns")
    return BurstSeries(
        (samples["wall_ns"].to_numpy() - done_ns) / 1e9,
        samples["value"].to_numpy(float),
        (samples["phase"] == "burst").to_numpy(bool),
    )
