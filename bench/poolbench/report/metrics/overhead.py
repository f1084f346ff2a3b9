"""Which strategies fail no request, what overhead they add, and which of them are Pareto-optimal."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from poolbench.report.metrics.connections import mean_open
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import Scenario
from poolbench.report.statistics import Estimate, Quantiles, rate

_LEAST_NOISE = 0.01  # of latencies, if the A/A control does not tell
_OPEN_NOISE = 0.1  # of open connections: a mean over time, which depends on when which gap took its turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What one strategy costs in a scenario, over all gaps."""

    label: str  # strategy
    failed: int  # requests of any kind that failed or hung
    requests: int  # requests of any kind
    # first requests after gaps within the timeout; without any, no strategy can show what keeping a
    # connection is worth
    within_timeout: int
    failed_after: Estimate  # share of first requests after the timeout that failed; longer gaps as observed
    warm: Quantiles  # latency of the requests that followed a successful one
    after_timeout: Quantiles  # latency of the first requests after gaps longer than the timeout
    warm_commands: float  # commands per warm request; NaN if the driver's commands were not counted
    after_commands: float  # commands per first request after the timeout, likewise
    connects: float  # connections opened per request of any kind
    # connections open at the proxy, mean over the campaign; NaN if they were not sampled, or only
    # together with the connections of another scenario
    open: float

    @property
    def is_safe(self) -> bool:
        """No request failed; `failed_after.high` bounds the failure rate that may have been missed."""
        return self.failed == 0


def overheads(scenario: Scenario) -> tuple[Overhead, ...]:
    """The overhead of every strategy in the campaign's order, without the controls."""
    sampled = mean_open(scenario.connections)
    used = ["kind", "failed", "latency_s", "observed_idle", "connects", "wire_commands"]
    return tuple(
        _overhead(label, scenario.select(used, label=label), sampled.get(label, math.nan))
        for label in scenario.strategies
    )


def _overhead(label: str, rows: pd.DataFrame, mean_connections: float) -> Overhead:
    warm = rows[rows["kind"] == RequestKind.WARM]
    first = rows[rows["kind"] == RequestKind.FIRST_AFTER_GAP]
    after = first[first["observed_idle"] > 1]
    return Overhead(
        label=label,
        failed=int(rows["failed"].sum()),
        requests=len(rows),
        within_timeout=len(first) - len(after),
        failed_after=rate(int(after["failed"].sum()), len(after)),
        warm=Quantiles.of(warm.loc[~warm["failed"], "latency_s"].to_numpy()),
        after_timeout=Quantiles.of(after.loc[~after["failed"], "latency_s"].to_numpy()),
        warm_commands=float(warm["wire_commands"].mean()),
        after_commands=float(after["wire_commands"].mean()),
        connects=float(rows["connects"].mean()),
        open=mean_connections,
    )


def pareto_front(candidates: Sequence[Overhead], noise: float) -> tuple[str, ...]:
    """Labels of the Pareto front: no other strategy is as good in everything and better in one thing.

    Compared are failures, commands, connections opened, open connections, and both medians.

    Args:
        candidates: what to choose from.
        noise: relative difference of latencies that is within the noise; NaN if it is not known.

    """
    found = _goals(candidates, noise)
    return tuple(
        one.label
        for one, own in zip(candidates, found, strict=True)
        if not any(other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in found)
    )


def recommended(candidates: Sequence[Overhead], noise: float) -> tuple[Overhead, ...]:
    """Of the strategies that failed no request, those with the cheapest warm request.

    Empty if every strategy failed a request, or if no gap was longer than the timeout: the default pool
    would win then.

    Cheapest means fewest commands on the wire, because each is a round trip in a VPC: first of a warm
    request, then of the first one after the timeout, then connections opened for requests of any kind.
    Medians, the warm one first, and open connections only decide between equals, only above the noise, and
    only where intervals do not overlap. Several are in the order of the candidates, which is the campaign's:
    the plainest first.

    Args:
        candidates: what to choose from.
        noise: relative difference of latencies that is within the noise; NaN if it is not known.

    """
    safe = [one for one in candidates if one.is_safe and one.failed_after.n]
    costs = _goals(safe, noise)
    return tuple(one for one, cost in zip(safe, costs, strict=True) if cost == min(costs))


def _goals(candidates: Sequence[Overhead], noise: float) -> list[tuple[float, ...]]:
    """What should be small, the most important first."""
    step = noise if noise > 0 else _LEAST_NOISE
    columns = (
        [one.failed / max(1, one.requests) for one in candidates],
        [_commands(one.warm_commands) for one in candidates],
        [_commands(one.after_commands) for one in candidates],
        levels([_opened(one) for one in candidates], 0.0),
        levels([one.warm.median for one in candidates], step),
        levels([one.after_timeout.median for one in candidates], step),
        levels([_open(one) for one in candidates], _OPEN_NOISE),
    )
    return list(zip(*columns, strict=True))


def _commands(each: float) -> float:
    return math.inf if math.isnan(each) else round(each, 1)


def _opened(one: Overhead) -> Estimate:
    """Share of requests that opened a connection, for its interval: a few more or less are chance."""
    return rate(min(one.requests, round(one.connects * one.requests)), one.requests)


def _open(one: Overhead) -> Estimate:
    """Open connections; 0 if keeping them could not pay, because closing them would win otherwise."""
    kept = one.open if one.within_timeout and not math.isnan(one.open) else 0.0
    return Estimate(kept, kept, kept, one.requests)


def levels(estimates: Sequence[Estimate], tolerance: float) -> list[float]:
    """Replace each value by the smallest of its level; NaN (no request succeeded) by infinity.

    Two values are on one level if their intervals overlap. That is stricter than a test at 5 %, so that the
    choice does not change with the next run. A level is a chain of overlapping intervals: two nearly equal
    values never end up on two levels, and levels are never out of order.

    Args:
        estimates: positive, or 0.
        tolerance: an interval reaches at least up to its value plus this share.

    """
    found = [math.inf] * len(estimates)
    level: list[int] = []
    reach = -math.inf
    known = [place for place, one in enumerate(estimates) if not math.isnan(one.value)]
    for place in sorted(known, key=lambda place: estimates[place].low):
        one = estimates[place]
        level = [*level, place] if one.low <= reach else [place]
        reach = max(reach, one.high, one.value * (1 + tolerance))
        smallest = min(estimates[member].value for member in level)
        for member in level:
            found[member] = smallest
    return found


def added_ms(latency: Quantiles, reference: Overhead) -> float:
    """What a median adds to a warm request of the reference strategy."""
    return 1e3 * (latency.median.value - reference.warm.median.value)


@dataclass(frozen=True, slots=True)
class ConnectCost:
    """What connecting for each request costs."""

    added_s: float  # to the median of a warm request
    commands: float  # added to a warm request
    needed_s: float  # round-trip time at which it would add the target; NaN if it adds no command


def connect_cost(without_pool: Overhead, default: Overhead, target_s: float) -> ConnectCost:
    """Compare warm requests without a pool and with one."""
    added_s = without_pool.warm.median.value - default.warm.median.value
    trips = without_pool.warm_commands - default.warm_commands
    needed_s = (target_s - added_s) / (trips + 1) if trips > 0 else math.nan  # plus the TCP handshake
    return ConnectCost(added_s, trips, needed_s)


def by_commands(commands: Mapping[str, float]) -> Mapping[float, Sequence[str]]:
    """Labels by their number of commands to two digits, the largest first; without those not counted."""
    sharing: dict[float, list[str]] = {}
    for label, each in commands.items():
        if not math.isnan(each):
            sharing.setdefault(round(each, 2), []).append(label)
    return dict(sorted(sharing.items(), reverse=True))


@dataclass(frozen=True, slots=True)
class DriverOverheads:
    """A strategy with several drivers."""

    label: str  # the strategy
    overheads: Mapping[str, Overhead]  # by driver; without the drivers that it was not measured with


def by_driver(found: Mapping[str, Sequence[Overhead]]) -> tuple[DriverOverheads, ...]:
    """The strategies of several drivers, in the order of the first driver that has them."""
    by_label = {driver: {one.label: one for one in measured} for driver, measured in found.items()}
    labels = dict.fromkeys(label for measured in by_label.values() for label in measured)
    return tuple(
        DriverOverheads(label, {driver: one[label] for driver, one in by_label.items() if label in one})
        for label in labels
    )
