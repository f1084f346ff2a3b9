"""What the tables show: heads, their definitions, and the text of each cell."""

import math
from collections.abc import Callable, Sequence

from poolbench.function.strategies import REFERENCE
from poolbench.report.metrics.bursts import BurstRow, ConnectionCount
from poolbench.report.metrics.comparison import Comparison
from poolbench.report.metrics.connections import CloudWatchMetric
from poolbench.report.metrics.failures import ErrorKind
from poolbench.report.metrics.gaps import GapRow
from poolbench.report.metrics.overhead import DriverOverheads, Overhead
from poolbench.report.render import (
    NONE,
    TableColumn,
    count,
    interval,
    latency,
    milliseconds,
    number,
    out_of,
    percent,
    positive_interval,
)
from poolbench.report.scenarios import AA_CONTROL
from poolbench.report.statistics import Quantiles


def _modes(row: GapRow) -> str:
    """Median of the answered; both medians where some reused a connection and some opened one."""
    reuse, reconnect = row.first_mixture.reuse, row.first_mixture.reconnect
    if reuse and reconnect:
        return f"{milliseconds(reuse.value)} | {milliseconds(reconnect.value)}"
    return milliseconds(row.first.median.value)


def _modes_interval(row: GapRow) -> str:
    modes = [mode for mode in (row.first_mixture.reuse, row.first_mixture.reconnect) if mode]
    return " | ".join(positive_interval(mode, milliseconds) for mode in modes)


def _recovered(row: GapRow) -> str:
    return out_of(round(row.recovered.value * row.recovered.n), row.recovered.n) if row.recovered.n else NONE


def _verdict(comparison: Comparison) -> str:
    if comparison.label == AA_CONTROL:
        return "the noise"
    if not comparison.differs:
        return "cannot be told apart"
    slower = "slower" if comparison.ratio.value > 1 else "faster"
    if math.isnan(comparison.noise):
        return f"{slower}, with no A/A pair to hold it against"
    return f"{slower}, by no more than the noise" if comparison.within_noise else slower


_FIRST, _STEADY = "first request after the gap, ms", "steady request, ms"
MAIN: Sequence[TableColumn[GapRow]] = (
    TableColumn("", "strategy", "", lambda row: row.label, is_name=True),
    TableColumn(
        "", "gap", "asked for; below: the median seen, ÷ idle client timeout",
        lambda row: f"{row.gap_ratio:g}", lambda row: f"{row.observed_idle:.2f}" if row.failed.n else "",
    ),
    TableColumn(
        "", "lost", "of the first after the gap, failed or hung; below: Wilson interval of the share",
        lambda row: out_of(row.failed_count, row.failed.n), lambda row: interval(row.failed, percent),
    ),
    TableColumn(
        _FIRST, "p50", "ms, of the answered; reused | opened a connection where there were both", _modes,
        _modes_interval,
    ),
    latency(_FIRST, "p95", "of the answered", lambda row: row.first.p95),
    latency(_FIRST, "p99", "of the answered", lambda row: row.first.p99),
    TableColumn(_FIRST, "max", "ms, of the answered", lambda row: milliseconds(row.first.maximum)),
    TableColumn("per first request", "connects", "connections opened", lambda row: count(row.connects)),
    TableColumn("per first request", "commands", "sent on the wire", lambda row: count(row.wire_commands)),
    latency(_STEADY, "p50", "of requests that followed an answered one", lambda row: row.warm.median),
    latency(_STEADY, "p99", "of requests that followed an answered one", lambda row: row.warm.p99),
    TableColumn(
        _STEADY, "x ref.", f"ratio of medians to those of {REFERENCE} in the same rounds, bootstrap interval",
        lambda row: number(row.warm_ratio.value) if row.warm_ratio.n else NONE,
        lambda row: interval(row.warm_ratio, number),
    ),
    TableColumn(
        "", "next", "requests right after a lost one of any kind that were answered, of all such", _recovered,
    ),
)  # fmt: skip


def _both(group: str, meaning: str, of: Callable[[Overhead], Quantiles]) -> tuple[TableColumn[Overhead], ...]:
    return (
        latency(group, "p50", meaning, lambda one: of(one).median),
        latency(group, "p99", meaning, lambda one: of(one).p99),
    )


OVERHEADS: Sequence[TableColumn[Overhead]] = (
    TableColumn("", "strategy", "", lambda one: one.label, is_name=True),
    TableColumn(
        "lost", "of all", "requests of any kind, those that only ready a connection for a gap among them",
        lambda one: out_of(one.failed, one.requests),
    ),
    TableColumn(
        "lost", "beyond", "first requests after a gap longer than the timeout, with Wilson interval",
        lambda one: percent(one.failed_after.value), lambda one: interval(one.failed_after, percent),
    ),
    *_both("steady request, ms", "requests that followed an answered one", lambda one: one.warm),
    *_both("first beyond the timeout, ms", "of the answered", lambda one: one.after_timeout),
    TableColumn("commands", "steady", "on the wire, per request", lambda one: count(one.warm_commands)),
    TableColumn("commands", "beyond", "on the wire, per request", lambda one: count(one.after_commands)),
    TableColumn("connections", "opened", "per request of any kind", lambda one: count(one.connects)),
    TableColumn("connections", "held", "open at the proxy, mean over time", lambda one: number(one.open, 2)),
)  # fmt: skip

COMPARISONS: Sequence[TableColumn[Comparison]] = (
    TableColumn("", "strategy", "", lambda one: one.label, is_name=True),
    TableColumn(
        "", "ratio", f"of steady medians to those of {REFERENCE} in the same rounds, bootstrap interval",
        lambda one: number(one.ratio.value) if one.ratio.n else NONE, lambda one: interval(one.ratio, number),
    ),
    TableColumn(
        "", "added, ms", "median difference of steady medians in the same rounds, bootstrap interval",
        lambda one: number(1e3 * one.difference.value, 2),
        lambda one: interval(one.difference, lambda seconds: number(1e3 * seconds, 2)),
    ),
    TableColumn("", "pairs", "of medians compared: one a gap, round and lane", lambda one: str(one.ratio.n)),
    TableColumn(
        "", "p", "chance of as large a difference where there is none; same bootstrap, adjusted by Holm",
        lambda one: _p(one.p_value),
    ),
    TableColumn(
        "", "verdict", "at 5 %, all comparisons considered, beside what the A/A pair differs by", _verdict,
        is_name=True,
    ),
)  # fmt: skip


ERRORS: Sequence[TableColumn[ErrorKind]] = (
    TableColumn("", "outcome", "", lambda error: error.outcome, is_name=True),
    TableColumn("", "class", "of the driver", lambda error: error.error_class or NONE, is_name=True),
    TableColumn("", "code", "native", lambda error: NONE if error.code is None else str(error.code)),
    TableColumn("", "message", "", lambda error: error.message or NONE, is_name=True),
    TableColumn("", "while", "phase of the request", lambda error: error.phase or NONE, is_name=True),
    TableColumn(
        "", "invalidated", "SQLAlchemy's verdict: the connection is dead and will be replaced",
        lambda error: NONE if error.invalidated is None else "yes" if error.invalidated else "no",
    ),
    TableColumn("", "times", "", lambda error: str(error.count)),
    TableColumn(
        "", "strategies", "with how often",
        lambda error: ", ".join(f"{label} {number}" for label, number in error.labels.items()), is_name=True,
    ),
)  # fmt: skip


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else number(value, 2)


def drivers(found: Sequence[str]) -> list[TableColumn[DriverOverheads]]:
    """Commands on the wire by strategy, two columns for each driver."""
    name: TableColumn[DriverOverheads] = TableColumn("", "strategy", "", lambda row: row.label, is_name=True)
    return [name, *(column for driver in found for column in _of_driver(driver))]


def _of_driver(driver: str) -> tuple[TableColumn[DriverOverheads], ...]:
    def warm(row: DriverOverheads) -> str:
        return count(row.overheads[driver].warm_commands) if driver in row.overheads else NONE

    def after(row: DriverOverheads) -> str:
        one = row.overheads.get(driver)
        return count(one.after_commands) if one and one.is_safe else NONE

    return (
        TableColumn(driver, "steady", "commands per steady request; each is a round trip", warm),
        TableColumn(
            driver, "after",
            "commands per first request after a gap beyond the timeout, a failed ping among them; none for "
            "one that is lost",
            after,
        ),
    )  # fmt: skip


CLOUDWATCH: Sequence[TableColumn[CloudWatchMetric]] = (
    TableColumn("", "of", "proxy or function", lambda one: one.subject, is_name=True),
    TableColumn("", "metric", "", lambda one: one.metric, is_name=True),
    TableColumn("", "unit", "", lambda one: one.unit, is_name=True),
    TableColumn("", "minutes", "that have a value", lambda one: str(one.minutes)),
    TableColumn("", "median", "of the minutes", lambda one: number(one.median)),
    TableColumn("", "highest", "of the minutes", lambda one: number(one.highest)),
)


def gone(found: ConnectionCount) -> str:
    """When the last connection was gone, in seconds; `>` where it outlasted those who watched."""
    if not found.left:
        return NONE
    return f"> {number(found.watched_s, 2)}" if math.isinf(found.gone_s) else number(found.gone_s, 2)


def _counts(
    group: str, of: Callable[[BurstRow], ConnectionCount | None], closer: str
) -> tuple[TableColumn[BurstRow], ...]:
    def told(text: Callable[[ConnectionCount], str]) -> Callable[[BurstRow], str]:
        def cell(row: BurstRow) -> str:
            found = of(row)
            return NONE if found is None else text(found)

        return cell

    return (
        TableColumn(group, "peak", "most open at any sample during the burst", told(lambda c: str(c.peak))),
        TableColumn(
            group, "left", "open after the last answer, when all is at rest", told(lambda c: str(c.left))
        ),
        TableColumn(
            group, "gone, s", f"from the last answer until none was open, closed by {closer}", told(gone)
        ),
    )


def _errors(row: BurstRow) -> str:
    return ", ".join(f"{what} x {times}" for what, times in row.errors.items()) or NONE


_LATENCY, _ANSWERED = "latency, ms", "of the answered, the wait for a connection included"
BURSTS: Sequence[TableColumn[BurstRow]] = (
    TableColumn("", "strategy", "", lambda row: row.label, is_name=True),
    TableColumn("", "to", "proxy, or the database itself", lambda row: row.endpoint, is_name=True),
    TableColumn("at once", "envs", "execution environments", lambda row: str(row.environments)),
    TableColumn("at once", "threads", "in each, on one engine", lambda row: str(row.threads)),
    TableColumn(
        "", "lost", "failed or hung; below: Wilson interval of the share",
        lambda row: out_of(row.failed_count, row.failed.n), lambda row: interval(row.failed, percent),
    ),
    TableColumn("", "said", "native code, or class where there is none", _errors),
    latency(_LATENCY, "p50", _ANSWERED, lambda row: row.latency.median),
    latency(_LATENCY, "p95", _ANSWERED, lambda row: row.latency.p95),
    TableColumn(
        _LATENCY, "max", f"ms, {_ANSWERED}", lambda row: milliseconds(row.latency.maximum)
    ),
    TableColumn("", "connects", "connections opened per request", lambda row: count(row.connects)),
    *_counts("clients to proxy", lambda row: row.clients, "the proxy"),
    *_counts("at the database", lambda row: row.database, "whoever opened it"),
)  # fmt: skip
