"""What the tables show of a strategy: heads, their meaning, and the text of each cell."""

import math
from collections.abc import Callable, Sequence

from poolbench.function.strategies import REFERENCE
from poolbench.report.comparison import Comparison
from poolbench.report.errors import Error
from poolbench.report.render import (
    NONE,
    Column,
    count,
    interval,
    latency,
    lost_of,
    milliseconds,
    number,
    percent,
    positive_interval,
)
from poolbench.report.settings import twin_of
from poolbench.report.statistics import Quantiles
from poolbench.report.tables import MainRow
from poolbench.report.tradeoff import Price


def _modes(row: MainRow) -> str:
    """Median of the answered; both medians where some reused a connection and some opened one."""
    reuse, reconnect = row.first_mixture.reuse, row.first_mixture.reconnect
    if reuse and reconnect:
        return f"{milliseconds(reuse.value)} | {milliseconds(reconnect.value)}"
    return milliseconds(row.first.median.value)


def _modes_interval(row: MainRow) -> str:
    modes = [mode for mode in (row.first_mixture.reuse, row.first_mixture.reconnect) if mode]
    return " | ".join(positive_interval(mode, milliseconds) for mode in modes)


def _recovered(row: MainRow) -> str:
    return lost_of(round(row.recovered.value * row.recovered.n), row.recovered.n) if row.recovered.n else NONE


def _verdict(comparison: Comparison) -> str:
    if comparison.label == twin_of(REFERENCE):
        return "the noise"
    if not comparison.differs:
        return "cannot be told apart"
    slower = "slower" if comparison.ratio.value > 1 else "faster"
    if math.isnan(comparison.noise):
        return f"{slower}, with no A/A pair to hold it against"
    return f"{slower}, by no more than the noise" if comparison.within_noise else slower


_FIRST, _STEADY = "first request after the gap, ms", "steady request, ms"
MAIN: Sequence[Column[MainRow]] = (
    Column("", "strategy", "", lambda row: row.label, is_name=True),
    Column(
        "", "gap", "asked for; below: the median seen, ÷ idle client timeout",
        lambda row: f"{row.gap_ratio:g}", lambda row: f"{row.gap_seen:.2f}" if row.lost.n else "",
    ),
    Column(
        "", "lost", "of the first after the gap, failed or hung; below: Wilson interval of the share",
        lambda row: lost_of(row.lost_count, row.lost.n), lambda row: interval(row.lost, percent),
    ),
    Column(
        _FIRST, "p50", "ms, of the answered; reused | opened a connection where there were both", _modes,
        _modes_interval,
    ),
    latency(_FIRST, "p95", "of the answered", lambda row: row.first.p95),
    latency(_FIRST, "p99", "of the answered", lambda row: row.first.p99),
    Column(_FIRST, "max", "ms, of the answered", lambda row: milliseconds(row.first.maximum)),
    Column("per first request", "connects", "connections opened", lambda row: count(row.connects)),
    Column("per first request", "commands", "sent on the wire", lambda row: count(row.wire_commands)),
    latency(_STEADY, "p50", "of requests that followed an answered one", lambda row: row.steady.median),
    latency(_STEADY, "p99", "of requests that followed an answered one", lambda row: row.steady.p99),
    Column(
        _STEADY, "x ref.", f"ratio of medians to those of {REFERENCE} in the same rounds, bootstrap interval",
        lambda row: number(row.steady_ratio.value) if row.steady_ratio.n else NONE,
        lambda row: interval(row.steady_ratio, number),
    ),
    Column(
        "", "next", "requests right after a lost one of any kind that were answered, of all such", _recovered,
    ),
)  # fmt: skip


def _both(group: str, meaning: str, of: Callable[[Price], Quantiles]) -> tuple[Column[Price], ...]:
    return (
        latency(group, "p50", meaning, lambda price: of(price).median),
        latency(group, "p99", meaning, lambda price: of(price).p99),
    )


PRICES: Sequence[Column[Price]] = (
    Column("", "strategy", "", lambda price: price.label, is_name=True),
    Column(
        "lost", "of all", "requests of any kind, those that only ready a connection for a gap among them",
        lambda price: lost_of(price.lost, price.requests),
    ),
    Column(
        "lost", "beyond", "first requests after a gap longer than the timeout, with Wilson interval",
        lambda price: percent(price.lost_beyond.value), lambda price: interval(price.lost_beyond, percent),
    ),
    *_both("steady request, ms", "requests that followed an answered one", lambda price: price.steady),
    *_both("first beyond the timeout, ms", "of the answered", lambda price: price.beyond),
    Column("commands", "steady", "on the wire, per request", lambda price: count(price.wire_steady)),
    Column("commands", "beyond", "on the wire, per request", lambda price: count(price.wire_beyond)),
    Column("connections", "opened", "per request of any kind", lambda price: count(price.connects)),
    Column("connections", "held", "open at the proxy, mean over time", lambda price: number(price.held, 2)),
)  # fmt: skip

COMPARISONS: Sequence[Column[Comparison]] = (
    Column("", "strategy", "", lambda one: one.label, is_name=True),
    Column(
        "", "ratio", f"of steady medians to those of {REFERENCE} in the same rounds, bootstrap interval",
        lambda one: number(one.ratio.value) if one.ratio.n else NONE, lambda one: interval(one.ratio, number),
    ),
    Column(
        "", "added, ms", "median difference of steady medians in the same rounds, bootstrap interval",
        lambda one: number(1e3 * one.difference.value, 2),
        lambda one: interval(one.difference, lambda seconds: number(1e3 * seconds, 2)),
    ),
    Column("", "pairs", "of medians compared: one a gap, round and lane", lambda one: str(one.ratio.n)),
    Column(
        "", "p", "chance of as large a difference where there is none; same bootstrap, adjusted by Holm",
        lambda one: _p(one.p_value),
    ),
    Column(
        "", "verdict", "at 5 %, all comparisons considered, beside what the A/A pair differs by", _verdict,
        is_name=True,
    ),
)  # fmt: skip


ERRORS: Sequence[Column[Error]] = (
    Column("", "outcome", "", lambda error: error.outcome, is_name=True),
    Column("", "class", "of the driver", lambda error: error.error_class or NONE, is_name=True),
    Column("", "code", "native", lambda error: NONE if error.code is None else str(error.code)),
    Column("", "message", "", lambda error: error.message or NONE, is_name=True),
    Column("", "while", "phase of the request", lambda error: error.phase or NONE, is_name=True),
    Column(
        "", "invalidated", "SQLAlchemy's verdict: the connection is dead and will be replaced",
        lambda error: NONE if error.invalidated is None else "yes" if error.invalidated else "no",
    ),
    Column("", "times", "", lambda error: str(error.count)),
    Column(
        "", "strategies", "with how often",
        lambda error: ", ".join(f"{label} {number}" for label, number in error.labels.items()), is_name=True,
    ),
)  # fmt: skip


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else number(value, 2)
