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
    name,
    number,
    out_of,
    percent,
    positive_interval,
)
from poolbench.report.scenarios import AA_CONTROL
from poolbench.report.statistics import Estimate

_WARM_MEANING = "requests that follow a successful one of the same invocation"
_RATIO_MEANING = f"ratio of warm medians to those of {REFERENCE} in the same rounds, bootstrap interval"


def _modes(row: GapRow) -> str:
    """Median of the successful requests; two if some reused a connection and others opened one."""
    reuse, reconnect = row.first_mixture.reuse, row.first_mixture.reconnect
    if reuse and reconnect:
        return f"{milliseconds(reuse.value)} | {milliseconds(reconnect.value)}"
    return milliseconds(row.first.median.value)


def _modes_interval(row: GapRow) -> str:
    modes = [mode for mode in (row.first_mixture.reuse, row.first_mixture.reconnect) if mode]
    return " | ".join(positive_interval(mode, milliseconds) for mode in modes)


def counted(share: Estimate) -> str:
    """A share as a count and its total."""
    return out_of(round(share.value * share.n), share.n) if share.n else NONE


_FIRST, _WARM = "first request after the gap, ms", "warm, ms"
MAIN: Sequence[TableColumn[GapRow]] = (
    name("strategy", lambda row: row.label),
    TableColumn(
        "", "gap", "asked for; below: median observed idle time, ÷ idle client timeout",
        lambda row: f"{row.gap_ratio:g}", lambda row: f"{row.observed_idle:.2f}" if row.failed.n else "",
    ),
    TableColumn(
        "", "failed", "first requests after the gap that failed or hung; below: Wilson interval of the share",
        lambda row: out_of(row.failed_count, row.failed.n), lambda row: interval(row.failed, percent),
    ),
    TableColumn(
        _FIRST, "p50", "ms, successful requests; reused | opened a connection if there were both", _modes,
        _modes_interval,
    ),
    latency(_FIRST, "p95", "successful requests", lambda row: row.first.p95),
    latency(_FIRST, "p99", "successful requests", lambda row: row.first.p99),
    TableColumn(_FIRST, "max", "ms, successful requests", lambda row: milliseconds(row.first.maximum)),
    TableColumn("per first request", "connects", "connections opened", lambda row: count(row.connects)),
    TableColumn("per first request", "commands", "sent on the wire", lambda row: count(row.wire_commands)),
    latency(_WARM, "p50", _WARM_MEANING, lambda row: row.warm.median),
    latency(_WARM, "p99", _WARM_MEANING, lambda row: row.warm.p99),
    TableColumn(
        "relative to", REFERENCE, _RATIO_MEANING,
        lambda row: number(row.warm_ratio.value) if row.warm_ratio.n else NONE,
        lambda row: interval(row.warm_ratio, number),
    ),
    TableColumn(
        "", "recovered", "requests right after a failed one of any kind that succeeded, of all such",
        lambda row: counted(row.recovered),
    ),
)  # fmt: skip

_AFTER_MEANING = "successful first requests after a gap longer than the timeout"
OVERHEADS: Sequence[TableColumn[Overhead]] = (
    name("strategy", lambda one: one.label),
    TableColumn(
        "failed", "requests", "of any kind, including those that only prepare a connection for a gap",
        lambda one: out_of(one.failed, one.requests),
    ),
    TableColumn(
        "failed", "after the timeout", "first requests after a gap longer than the timeout, Wilson interval",
        lambda one: percent(one.failed_after.value), lambda one: interval(one.failed_after, percent),
    ),
    latency(_WARM, "p50", _WARM_MEANING, lambda one: one.warm.median),
    latency(_WARM, "p99", _WARM_MEANING, lambda one: one.warm.p99),
    latency("first after the timeout, ms", "p50", _AFTER_MEANING, lambda one: one.after_timeout.median),
    latency("first after the timeout, ms", "p99", _AFTER_MEANING, lambda one: one.after_timeout.p99),
    TableColumn("commands", "warm", "on the wire, per request", lambda one: count(one.warm_commands)),
    TableColumn(
        "commands", "after the timeout", "on the wire, per request", lambda one: count(one.after_commands)
    ),
    TableColumn("connections", "opened", "per request of any kind", lambda one: count(one.connects)),
    TableColumn("connections", "open", "at the proxy, mean over time", lambda one: number(one.open, 2)),
)  # fmt: skip


def _verdict(comparison: Comparison) -> str:
    if comparison.label == AA_CONTROL:
        return "A/A control: noise"
    if not comparison.differs:
        return "not distinguishable"
    slower = "slower" if comparison.ratio.value > 1 else "faster"
    if math.isnan(comparison.noise):
        return f"{slower}, without an A/A control to compare with"
    return f"{slower}, but within the noise" if comparison.within_noise else slower


COMPARISONS: Sequence[TableColumn[Comparison]] = (
    name("strategy", lambda one: one.label),
    TableColumn(
        "", "ratio", _RATIO_MEANING,
        lambda one: number(one.ratio.value) if one.ratio.n else NONE, lambda one: interval(one.ratio, number),
    ),
    TableColumn(
        "", "added, ms", "median difference of warm medians in the same rounds, bootstrap interval",
        lambda one: number(1e3 * one.difference.value, 2),
        lambda one: interval(one.difference, lambda seconds: number(1e3 * seconds, 2)),
    ),
    TableColumn("", "pairs", "compared medians: one per gap, round and lane", lambda one: str(one.ratio.n)),
    TableColumn(
        "", "p", "probability of such a difference by chance; same bootstrap, adjusted by Holm",
        lambda one: "< 0.001" if one.p_value < 0.001 else number(one.p_value, 2),
    ),
    name("verdict", _verdict, "at 5 %, all comparisons considered, against the noise of the A/A control"),
)  # fmt: skip

ERRORS: Sequence[TableColumn[ErrorKind]] = (
    name("outcome", lambda error: error.outcome),
    name("class", lambda error: error.error_class or NONE, "of the driver"),
    TableColumn("", "code", "native", lambda error: NONE if error.code is None else str(error.code)),
    name("message", lambda error: error.message or NONE),
    name("while", lambda error: error.phase or NONE, "phase of the request"),
    TableColumn(
        "", "invalidated", "whether SQLAlchemy considers the connection dead and replaces it",
        lambda error: NONE if error.invalidated is None else "yes" if error.invalidated else "no",
    ),
    TableColumn("", "times", "", lambda error: str(error.count)),
    name("strategies", lambda error: ", ".join(f"{one} {n}" for one, n in error.labels.items()), "how often"),
)  # fmt: skip


def drivers(found: Sequence[str]) -> list[TableColumn[DriverOverheads]]:
    """Commands on the wire by strategy, two columns for each driver."""
    first: TableColumn[DriverOverheads] = name("strategy", lambda row: row.label)
    return [first, *(column for driver in found for column in _of_driver(driver))]


def _of_driver(driver: str) -> tuple[TableColumn[DriverOverheads], ...]:
    def warm(row: DriverOverheads) -> str:
        return count(row.overheads[driver].warm_commands) if driver in row.overheads else NONE

    def after(row: DriverOverheads) -> str:
        one = row.overheads.get(driver)
        return count(one.after_commands) if one and one.is_safe else NONE

    meaning = "commands per first request after the timeout, including a failed ping; none if requests failed"
    return (
        TableColumn(driver, "warm", "commands per warm request", warm),
        TableColumn(driver, "after", meaning, after),
    )


CLOUDWATCH: Sequence[TableColumn[CloudWatchMetric]] = (
    name("of", lambda one: one.subject, "proxy or function"),
    name("metric", lambda one: one.metric),
    name("unit", lambda one: one.unit),
    TableColumn("", "minutes", "with a value", lambda one: str(one.minutes)),
    TableColumn("", "median", "of the minutes", lambda one: number(one.median)),
    TableColumn("", "highest", "of the minutes", lambda one: number(one.highest)),
)


def gone(found: ConnectionCount) -> str:
    """When the last connection was closed, in seconds; `>` if it was open longer than it was watched."""
    if not found.left:
        return NONE
    return f"> {number(found.watched_s, 2)}" if math.isinf(found.gone_s) else number(found.gone_s, 2)


def _counts(
    group: str, of: Callable[[BurstRow], ConnectionCount | None], closer: str
) -> tuple[TableColumn[BurstRow], ...]:
    def cell(text: Callable[[ConnectionCount], str]) -> Callable[[BurstRow], str]:
        return lambda row: NONE if (found := of(row)) is None else text(found)

    closed = f"from the last answer until none was open, closed by {closer}"
    return (
        TableColumn(group, "peak", "most open at any sample of the burst", cell(lambda one: str(one.peak))),
        TableColumn(group, "left", "open after the last answer, at rest", cell(lambda one: str(one.left))),
        TableColumn(group, "closed, s", closed, cell(gone)),
    )


_LATENCY, _BURST_MEANING = "latency, ms", "successful requests, including the wait for a connection"
BURSTS: Sequence[TableColumn[BurstRow]] = (
    name("strategy", lambda row: row.label),
    name("route", lambda row: row.route, "through the proxy, or to the database itself"),
    TableColumn("concurrent", "environments", "execution environments", lambda row: str(row.environments)),
    TableColumn("concurrent", "threads", "per environment, on one engine", lambda row: str(row.threads)),
    TableColumn(
        "", "failed", "failed or hung; below: Wilson interval of the share",
        lambda row: out_of(row.failed_count, row.failed.n), lambda row: interval(row.failed, percent),
    ),
    TableColumn(
        "", "errors", "native code, or class without one",
        lambda row: ", ".join(f"{error} x {times}" for error, times in row.errors.items()) or NONE,
    ),
    latency(_LATENCY, "p50", _BURST_MEANING, lambda row: row.latency.median),
    latency(_LATENCY, "p95", _BURST_MEANING, lambda row: row.latency.p95),
    TableColumn(_LATENCY, "max", f"ms, {_BURST_MEANING}", lambda row: milliseconds(row.latency.maximum)),
    TableColumn("", "connects", "connections opened per request", lambda row: count(row.connects)),
    *_counts("clients to proxy", lambda row: row.clients, "the proxy"),
    *_counts("at the database", lambda row: row.database, "the side that opened it"),
)  # fmt: skip
