"""Which strategies lose no request, what they cost, and which of them nothing else beats."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.analysis.requests import Kind
from bench.analysis.settings import Setting
from bench.analysis.statistics import Estimate, Quantiles, rate

CLIENTS = "ClientConnections"  # the proxy's counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one strategy costs in a setting, over all gaps.

    Attributes:
        label: strategy.
        lost: requests that failed or hung, of any kind.
        requests: of any kind.
        lost_beyond: share lost of the first requests after gaps longer than the timeout, as observed.
        steady: latency of the requests that followed an answered one.
        beyond: latency of the first requests after gaps longer than the timeout.
        wire_steady: commands per steady request; NaN if the driver was not counted.
        wire_beyond: commands per first request after a gap longer than the timeout, likewise.
        connects: connections opened per request, of any kind.
        held: connections open at the proxy, mean over the campaign; NaN if not sampled.

    """

    label: str
    lost: int
    requests: int
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
    beyond = rows[(rows["kind"] == Kind.FIRST_AFTER_GAP) & (rows["gap_seen"] > 1)]
    answered = [part.loc[~part["lost"], "latency_s"].to_numpy() for part in (steady, beyond)]
    return Price(
        label=label,
        lost=int(rows["lost"].sum()),
        requests=len(rows),
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
    """Labels of the Pareto front: no other is as good in losses, latency and connections and better in one.

    Args:
        candidates: what to choose from.
        noise: relative difference of latencies that means nothing; NaN counts as none known.

    """
    goals = {price.label: _goals(price, noise) for price in candidates}
    return tuple(
        label
        for label, own in goals.items()
        if not any(
            other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in goals.values()
        )
    )


def _goals(price: Price, noise: float) -> tuple[float, ...]:
    """What is to be small. Latencies go in steps of the noise, and are infinite where none was answered."""
    step = math.log1p(noise if noise > 0 else 0.01)
    latencies = (price.steady.median.value, price.beyond.median.value)
    return (
        price.lost / max(1, price.requests),
        *(math.inf if math.isnan(value) else math.floor(math.log(value) / step) for value in latencies),
        0.0 if math.isnan(price.held) else round(price.held, 1),
    )


def recommended(candidates: Sequence[Price]) -> Price | None:
    """Of the strategies that lost nothing, the one with the cheapest warm request; None if there is none.

    Cheapest is fewest commands on the wire, for in a VPC each is a round trip: first for a steady request,
    then for the first after the timeout, then by the connections that are opened anew for requests of any
    kind; the steady median decides only between equals.
    """
    safe = [price for price in candidates if price.is_safe]

    def cost(price: Price) -> tuple[float, ...]:
        counts = (price.wire_steady, price.wire_beyond, price.connects)
        rounded = (math.inf if math.isnan(value) else round(value, 1) for value in counts)
        return *rounded, price.steady.median.value

    return min(safe, key=cost, default=None)
