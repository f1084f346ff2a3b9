"""Connections and requests of bursts: how many there were at once, and what was left of them."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from poolbench.report.figures.connections import CLIENTS, THREADS
from poolbench.report.load import CannotLoad, Dataset
from poolbench.report.requests import Kind
from poolbench.report.statistics import Estimate, Quantiles, rate

SETTLED_S = 0.1  # after the last answer, by which a connection that is being closed is closed
_KEYS = ["label", "endpoint", "failure", "environments", "threads"]
_CELL = ["campaign", "cell"]


@dataclass(frozen=True, slots=True)
class Count:
    """Connections of one kind in one kind of cell; of replicates the highest.

    Attributes:
        peak: most that were open at any sample of the burst.
        left: open once the burst was over and nothing moved any more.
        gone_s: from the last answer until none was open; infinite if some were to the end.
        watched_s: how long they were watched from the last answer.

    """

    peak: int
    left: int
    gone_s: float
    watched_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstRow:
    """One strategy, asked by so many at once.

    Attributes:
        label: strategy, with the twin of the A/A pair told apart.
        endpoint: proxy or database.
        failure: see `poolbench.campaign.failures`.
        environments: at once.
        threads: in each.
        lost: requests that failed or hung; its n is how many there were.
        lost_count: the same as a number.
        said: native codes, or classes, of what was lost, with how often.
        latency: of the answered requests.
        connects: connections opened per request.
        clients: connections to the proxy; None without one, or where nobody counts them.
        database: connections to the database, whoever opened them; None for the control.

    """

    label: str
    endpoint: str
    failure: str
    environments: int
    threads: int
    lost: Estimate
    lost_count: int
    said: dict[str, int]
    latency: Quantiles
    connects: float
    clients: Count | None
    database: Count | None


@dataclass(frozen=True, slots=True)
class Series:
    """Counts of one kind of connection in one cell.

    Attributes:
        seconds: since the cell's last answer; negative before it.
        counts: at these times.
        burst: which of them are of the burst itself.

    """

    seconds: np.ndarray[Any, np.dtype[np.float64]]
    counts: np.ndarray[Any, np.dtype[np.float64]]
    burst: np.ndarray[Any, np.dtype[np.bool_]]

    def count(self) -> Count:
        """Sum it up."""
        over = self.seconds >= SETTLED_S
        seconds, counts = self.seconds[over], self.counts[over]
        some = np.flatnonzero(counts > 0)
        if not len(some):
            gone_s = 0.0
        elif some[-1] + 1 < len(counts):
            gone_s = float(seconds[some[-1] + 1])
        else:
            gone_s = math.inf
        return Count(
            peak=int(max(self.counts[self.burst], default=0)),
            left=int(counts[0]) if len(counts) else 0,
            gone_s=gone_s,
            watched_s=float(seconds[-1]) if len(seconds) else 0.0,
        )


def is_burst(dataset: Dataset) -> bool:
    """Whether this is about concurrency and not about gaps.

    Raises:
        CannotLoad: of several campaigns some are about the one, some about the other.

    """
    of_bursts = dataset.rows["kind"] == Kind.BURST
    if of_bursts.any() and not of_bursts.all():
        gaps, bursts = (
            ", ".join(map(str, dataset.rows.loc[chosen, "campaign"].unique()))
            for chosen in (~of_bursts, of_bursts)
        )
        raise CannotLoad(f"{bursts} is about concurrency, {gaps} about gaps: report them one by one")
    return bool(of_bursts.any())


def burst_table(dataset: Dataset) -> tuple[BurstRow, ...]:
    """One row for each strategy, endpoint and number at once, in the campaign's order of strategies."""
    rows = _bursts(dataset)
    by_cell = dict(iter(dataset.connections.groupby(_CELL, observed=True)))
    found = []
    for keys, group in rows.groupby(_KEYS, observed=True):
        assert isinstance(keys, tuple)
        found.append(_burst_row(dict(zip(_KEYS, keys, strict=True)), group, by_cell))
    return tuple(found)


def series_of(dataset: Dataset, row: BurstRow, *, clients: bool) -> Series | None:
    """Connections over time in the first cell of a row; None if nobody counted them."""
    rows = _bursts(dataset)
    for name in _KEYS:
        rows = rows[rows[name] == getattr(row, name)]
    campaign, cell = rows.iloc[0][_CELL]
    samples = dataset.connections
    samples = samples[(samples["campaign"] == campaign) & (samples["cell"] == cell)]
    done_ns = int(rows.loc[rows["cell"] == cell, "done_wall_ns"].max())
    return _clients(samples, row.label, done_ns) if clients else _database(samples, done_ns)


def interval_s(dataset: Dataset) -> float:
    """Median time between samples; NaN if there are none."""
    samples = dataset.connections
    times = samples.loc[samples["metric"] == THREADS, ["campaign", "wall_ns"]].sort_values("wall_ns")
    return float(times.groupby("campaign", observed=True)["wall_ns"].diff().median()) / 1e9


def _bursts(dataset: Dataset) -> pd.DataFrame:
    rows = dataset.rows
    return rows[rows["counted"] & (rows["kind"] == Kind.BURST)]


def _burst_row(keys: dict[str, Any], rows: pd.DataFrame, by_cell: dict[Any, pd.DataFrame]) -> BurstRow:
    lost = rows[rows["lost"]]
    through_proxy, control = keys["endpoint"] == "proxy", bool(rows["control"].iloc[0])
    clients, database = [], []
    for cell, group in rows.groupby(_CELL, observed=True):
        samples, done_ns = by_cell.get(cell), int(group["done_wall_ns"].max())
        if samples is None or control:
            continue
        if through_proxy and (series := _clients(samples, keys["label"], done_ns)):
            clients.append(series.count())
        if series := _database(samples, done_ns):
            database.append(series.count())
    return BurstRow(
        **keys,
        lost=rate(len(lost), len(rows)),
        lost_count=len(lost),
        said=dict(Counter(_said(lost)).most_common()),
        latency=Quantiles.of(rows.loc[~rows["lost"], "latency_s"].to_numpy()),
        connects=float(rows["connects"].mean()),
        clients=_highest(clients),
        database=_highest(database),
    )


def _said(lost: pd.DataFrame) -> Iterator[str]:
    for code, error_class in zip(lost["error_code"], lost["error_class"], strict=True):
        yield str(error_class).rpartition(".")[2] if pd.isna(code) else str(int(code))


def _highest(counts: list[Count]) -> Count | None:
    if not counts:
        return None
    return Count(
        max(one.peak for one in counts),
        max(one.left for one in counts),
        max(one.gone_s for one in counts),
        min(one.watched_s for one in counts),
    )


def _clients(samples: pd.DataFrame, label: str, done_ns: int) -> Series | None:
    """Connections of one label to the proxy; a label that the proxy has not met has none."""
    of_proxy = samples[samples["source"] == "proxy"]
    if of_proxy.empty:
        return None
    mine = of_proxy[(of_proxy["metric"] == CLIENTS) & (of_proxy["group"] == label)]
    times = of_proxy.loc[of_proxy["metric"] == "DatabaseConnections", ["wall_ns", "phase"]]
    found = times.merge(mine[["wall_ns", "value"]], on="wall_ns", how="left").fillna({"value": 0.0})
    return _series(found, done_ns)


def _database(samples: pd.DataFrame, done_ns: int) -> Series | None:
    """All connections to the server, less those that were there before: the sampler's, an administrator's."""
    found = samples[(samples["source"] == "server") & (samples["metric"] == THREADS)]
    before = found.loc[found["phase"] == "before", "value"]
    if before.empty:
        return None
    return _series(found.assign(value=(found["value"] - before.min()).clip(lower=0)), done_ns)


def _series(samples: pd.DataFrame, done_ns: int) -> Series:
    samples = samples.sort_values("wall_ns")
    return Series(
        (samples["wall_ns"].to_numpy() - done_ns) / 1e9,
        samples["value"].to_numpy(float),
        (samples["phase"] == "burst").to_numpy(bool),
    )
