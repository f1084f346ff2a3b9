"""Latency in full: every request after a gap, the tail, and the phases that requests consist of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import Scenario
from poolbench.report.statistics import Values, quantile

_STEPS = 400  # of a line; more than a chart can show


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of one strategy, one by one; times in ms."""

    latency: Values  # of each request
    failed: "np.ndarray[tuple[int], np.dtype[np.bool_]]"  # whether it failed
    opened: "np.ndarray[tuple[int], np.dtype[np.bool_]]"  # whether it opened a connection
    reused_median: float  # of the successful requests that reused one; NaN without any
    opened_median: float  # of the successful requests that opened one; NaN without any
    median: float  # of all successful requests; NaN without any
    commands: float  # mean number of commands on the wire; NaN if they were not counted

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Requests":
        """Take the requests from rows."""
        latency, failed = 1e3 * rows["latency_s"].to_numpy(float), rows["failed"].to_numpy(bool)
        opened = rows["connects"].to_numpy() > 0
        chosen = (~failed & ~opened, ~failed & opened, ~failed)
        reused, opening, all_of = (quantile(latency[mask], 0.5).value for mask in chosen)
        return cls(latency, failed, opened, reused, opening, all_of, float(rows["wire_commands"].mean()))


@dataclass(frozen=True, slots=True)
class FirstRequests:
    """First requests after gaps."""

    gaps: tuple[float, ...]  # asked for, as multiples of the idle client timeout
    requests: Mapping[tuple[Any, ...], Requests]  # by label and gap
    reference_median: float  # of the first label's successful requests after any gap, ms


_REQUEST = ["label", "failed", "latency_s", "connects", "wire_commands"]


def first_requests(scenario: Scenario) -> FirstRequests:
    """Every first request after a gap, by label and gap."""
    rows = scenario.select([*_REQUEST, "gap_ratio"], RequestKind.FIRST_AFTER_GAP)
    groups = rows.groupby(["label", "gap_ratio"], observed=True)
    requests = {keys: Requests.of(group) for keys, group in groups if isinstance(keys, tuple)}
    of_reference = rows.loc[~rows["failed"] & (rows["label"] == scenario.labels[0]), "latency_s"]
    return FirstRequests(
        tuple(sorted(rows["gap_ratio"].unique())), requests, quantile(1e3 * of_reference, 0.5).value
    )


@dataclass(frozen=True, slots=True)
class StrategyRequests:
    """One strategy in a comparison side by side: its first requests after the timeout, its warm ones."""

    label: str
    after_timeout: Requests
    warm: Requests


def strategy_requests(scenario: Scenario, labels: Sequence[str]) -> tuple[StrategyRequests, ...]:
    """Those of `labels` that were measured."""
    rows = scenario.select([*_REQUEST, "kind", "observed_idle"])
    first = rows[(rows["kind"] == RequestKind.FIRST_AFTER_GAP) & (rows["observed_idle"] > 1)]
    warm = rows[rows["kind"] == RequestKind.WARM]
    return tuple(
        StrategyRequests(label, *(Requests.of(part[part["label"] == label]) for part in (first, warm)))
        for label in labels
        if label in scenario.labels
    )


@dataclass(frozen=True, slots=True)
class Tail:
    """How many requests of one strategy still wait after so many milliseconds."""

    times: Values  # when the share changes, the first at the left end, ms
    waiting: Values  # the share from then on
    failed: int  # requests that were never answered, of `n`
    n: int  # requests


@dataclass(frozen=True, slots=True)
class Tails:
    """First requests after gaps within the timeout, and after longer ones; sides without any are absent."""

    within: Mapping[str, Tail]
    after: Mapping[str, Tail]
    left: float
    right: float


def tails(scenario: Scenario) -> Tails | None:
    """Complement of the ECDF of first requests; None if every request failed.

    Failed requests are never answered and level the line off: a line that ends at the right above zero is the
    share of requests that failed.
    """
    columns = ["label", "failed", "latency_s", "observed_idle"]
    rows = scenario.select(columns, RequestKind.FIRST_AFTER_GAP)
    rows = rows[rows["label"].isin(scenario.strategies)]
    succeeded = 1e3 * rows.loc[~rows["failed"], "latency_s"]
    if succeeded.empty:
        return None
    left, right = 0.7 * float(succeeded.min()), 1.5 * float(succeeded.max())
    after = rows["observed_idle"] > 1
    within, later = (
        {label: _tail(part[part["label"] == label], left, right) for label in scenario.strategies}
        if len(part)
        else {}
        for part in (rows[~after], rows[after])
    )
    return Tails(within, later, left, right)


def _tail(rows: pd.DataFrame, left: float, right: float) -> Tail:
    n = len(rows)
    times = np.sort(1e3 * rows.loc[~rows["failed"], "latency_s"].to_numpy(float))
    waiting = (n - np.arange(len(times) + 1)) / max(n, 1)
    failed = n - len(times)
    times = np.concatenate([[left], times])
    if failed:
        times, waiting = np.append(times, right), np.append(waiting, waiting[-1])
    elif n:
        waiting[-1] = waiting[-2]  # zero has no place on a logarithmic axis: the line ends at the slowest
    if len(times) > _STEPS:  # evenly over the ranks from the tail, so that the last requests stay single
        ranks = np.unique(np.geomspace(1, len(times), _STEPS).astype(int))
        times, waiting = times[-ranks[::-1]], waiting[-ranks[::-1]]
    return Tail(times, waiting, failed, n) if n else Tail(np.empty(0), np.empty(0), 0, 0)


PHASES = ("pool", "ping", "connect", "execute", "reset")


@dataclass(frozen=True, slots=True)
class PhaseMedians:
    """Medians of the phases of a request and of the whole request, ms. The parts need not add up."""

    phases: Mapping[str, float]
    whole: float

    @property
    def length(self) -> float:
        """The larger of the sum of the parts and the whole."""
        return max(sum(self.phases.values()), self.whole)


@dataclass(frozen=True, slots=True)
class PhaseGroups:
    """Phases of successful requests by strategy; groups without any request are empty."""

    warm: Mapping[str, PhaseMedians]
    reused: Mapping[str, PhaseMedians]
    connected: Mapping[str, PhaseMedians]


def phase_medians(scenario: Scenario) -> PhaseGroups:
    """Medians for warm requests and for both kinds of first requests after a gap."""
    times = ["checkout_s", "connect_s", "ping_s", "execute_s", "reset_s", "latency_s"]
    rows = scenario.select(["label", "kind", "failed", "connects", *times])
    rows = rows[~rows["failed"] & rows["label"].isin(scenario.strategies)]
    warm = rows[rows["kind"] == RequestKind.WARM]
    first = rows[rows["kind"] == RequestKind.FIRST_AFTER_GAP]
    groups = (warm, first[first["connects"] == 0], first[first["connects"] > 0])
    return PhaseGroups(*map(_phase_medians, groups))


def _phase_medians(rows: pd.DataFrame) -> Mapping[str, PhaseMedians]:
    connect, ping = rows["connect_s"].fillna(0), rows["ping_s"].fillna(0)
    pool = (rows["checkout_s"] - connect - ping).clip(lower=0)
    parts = (pool, ping, connect, rows["execute_s"], rows["reset_s"])
    table = 1e3 * pd.DataFrame({**dict(zip(PHASES, parts, strict=True)), "whole": rows["latency_s"]})
    medians = table.groupby(rows["label"], observed=True).median()
    return {
        str(label): PhaseMedians(dict(zip(PHASES, medians_of, strict=True)), whole)
        for label, *medians_of, whole in medians.itertuples()
    }
