"""Which strategies lose no request, what they cost, and which of them nothing else beats."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from poolbench.report.requests import Kind
from poolbench.report.settings import Setting
from poolbench.report.statistics import Estimate, Quantiles, rate

CLIENTS = "ClientConnections"  # the proxy's counter
_LEAST_NOISE = 0.01  # of latencies, where no A/A pair says more
_HELD_NOISE = 0.1  # of connections held: a mean over time, of when which gaps took their turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one strategy costs in a setting, over all gaps.

    Attributes:
        label: strategy.
        lost: requests that failed or hung, of any kind.
        requests: of any kind.
        within: first requests after gaps within the timeout; without any, no strategy could show what keeping
            a connection is worth.
        lost_beyond: share lost of the first requests after gaps longer than the timeout, as observed.
        steady: latency of the requests that followed an answered one.
        beyond: latency of the first requests after gaps longer than the timeout.
        wire_steady: commands per steady request; NaN if the driver was not counted.
        wire_beyond: commands per first request after a gap longer than the timeout, likewise.
        connects: connections opened per request, of any kind.
        held: connections open at the proxy, mean over the campaign; NaN if they were not sampled, or together
            with those of another setting.

    """

    label: str
    lost: int
    requests: int
    within: int
    lost_beyond: Estimate
    steady: Quantiles
    beyond: Quantiles
    wire_steady: float
    wire_beyond: float
    connects: float
    held: float

    @property
    def is_safe(self) -> bool:
        """No request was lost; `lost_beyond.high` says how many may be all the same."""
        return self.lost == 0


def prices(setting: Setting) -> tuple[Price, ...]:
    """The price of every strategy, in the campaign's order; twin and control have none."""
    held = _held(setting)
    used = ["kind", "lost", "latency_s", "gap_seen", "connects", "wire_commands"]
    return tuple(
        _price(label, setting.select(used, label=label), held.get(label, math.nan))
        for label in setting.strategies
    )


def _price(label: str, rows: pd.DataFrame, held: float) -> Price:
    steady = rows[rows["kind"] == Kind.STEADY]
    first = rows[rows["kind"] == Kind.FIRST_AFTER_GAP]
    beyond = first[first["gap_seen"] > 1]
    answered = [part.loc[~part["lost"], "latency_s"].to_numpy() for part in (steady, beyond)]
    return Price(
        label=label,
        lost=int(rows["lost"].sum()),
        requests=len(rows),
        within=len(first) - len(beyond),
        lost_beyond=rate(int(beyond["lost"].sum()), len(beyond)),
        steady=Quantiles.of(answered[0]),
        beyond=Quantiles.of(answered[1]),
        wire_steady=float(steady["wire_commands"].mean()),
        wire_beyond=float(beyond["wire_commands"].mean()),
        connects=float(rows["connects"].mean()),
        held=held,
    )


def _held(setting: Setting) -> dict[str, float]:
    series = setting.connections
    clients = series[(series["source"] == "proxy") & (series["metric"] == CLIENTS)]
    return {
        str(group): float(mean)
        for group, mean in clients.groupby("group", observed=True)["value"].mean().items()
    }


def front(candidates: Sequence[Price], noise: float) -> tuple[str, ...]:
    """Labels of the Pareto front: no other is as good in everything and better in one thing.

    That is losses, commands, connections opened, connections held, and both medians.

    Args:
        candidates: what to choose from.
        noise: relative difference of latencies that means nothing; NaN counts as none known.

    """
    found = _goals(candidates, noise)
    return tuple(
        price.label
        for price, own in zip(candidates, found, strict=True)
        if not any(other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in found)
    )


def _goals(candidates: Sequence[Price], noise: float) -> list[tuple[float, ...]]:
    """What is to be small, the weightiest first: losses, commands, connects, latencies, connections held."""
    step = noise if noise > 0 else _LEAST_NOISE
    columns = (
        [price.lost / max(1, price.requests) for price in candidates],
        [_commands(price.wire_steady) for price in candidates],
        [_commands(price.wire_beyond) for price in candidates],
        levels([_opened(price) for price in candidates], 0.0),
        levels([price.steady.median for price in candidates], step),
        levels([price.beyond.median for price in candidates], step),
        levels([_kept(price) for price in candidates], _HELD_NOISE),
    )
    return list(zip(*columns, strict=True))


def _commands(each: float) -> float:
    return math.inf if math.isnan(each) else round(each, 1)


def _opened(price: Price) -> Estimate:
    """Share of requests that opened a connection, for its interval: a few more or less are chance."""
    return rate(min(price.requests, round(price.connects * price.requests)), price.requests)


def _kept(price: Price) -> Estimate:
    """Connections held, where keeping them could pay: else whoever keeps none would win by that."""
    held = price.held if price.within and not math.isnan(price.held) else 0.0
    return Estimate(held, held, held, price.requests)


def levels(estimates: Sequence[Estimate], tolerance: float) -> list[float]:
    """Replace each value by the smallest of its level; NaN, which is no answer, by infinity.

    Two cannot be told apart if their intervals meet, which is harder to escape than a test at 5 %, for what
    is chosen must not change with the next run. A level is a chain of such, so that two values that are
    nearly the same never end up on two levels, and levels are never out of order.

    Args:
        estimates: positive, or 0.
        tolerance: an interval reaches up to its value and this share of it at least.

    """
    found = [math.inf] * len(estimates)
    level: list[int] = []
    reach = -math.inf
    told = [place for place, one in enumerate(estimates) if not math.isnan(one.value)]
    for place in sorted(told, key=lambda place: estimates[place].low):
        one = estimates[place]
        level = [*level, place] if one.low <= reach else [place]
        reach = max(reach, one.high, one.value * (1 + tolerance))
        smallest = min(estimates[member].value for member in level)
        for member in level:
            found[member] = smallest
    return found


def recommended(candidates: Sequence[Price], noise: float) -> tuple[Price, ...]:
    """Of the strategies that lost nothing beyond the timeout or before, those with the cheapest warm request.

    None if each lost something, or if no gap was longer than the timeout: then the default pool would win.

    Cheapest is fewest commands on the wire, for in a VPC each is a round trip: first for a steady request,
    then for the first after the timeout, then by the connections that are opened anew for requests of any
    kind. Medians, the steady one first, and connections held decide only between equals, only beyond the
    noise, and where intervals do not meet. Several are in the order of the candidates: the campaign's, which
    has the plainest first.

    Args:
        candidates: what to choose from.
        noise: relative difference of latencies that means nothing; NaN counts as none known.

    """
    safe = [price for price in candidates if price.is_safe and price.lost_beyond.n]
    costs = _goals(safe, noise)
    return tuple(price for price, cost in zip(safe, costs, strict=True) if cost == min(costs))
