"""Answers in sentences: of one scenario, and of bursts: verdict, reasons, limitations."""

import math
from collections.abc import Iterator, Sequence

from poolbench.function.strategies import REFERENCE, STRATEGIES
from poolbench.model.header import Header
from poolbench.report.columns import gone
from poolbench.report.load import Dataset
from poolbench.report.metrics.assessment import Assessment
from poolbench.report.metrics.bursts import BurstRow, sampling_interval_s
from poolbench.report.metrics.comparison import noise_share
from poolbench.report.metrics.overhead import Overhead
from poolbench.report.render import (
    count,
    interval,
    milliseconds,
    number,
    percent,
    positive_interval,
    upper_bound,
)
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import Scenario
from poolbench.report.statistics import Quantiles

_BOUNDS_P99 = 368  # requests that it takes for an upper bound of the 99th percentile


def verdict(found: Assessment) -> str:
    """One line for a scenario without a recommendation."""
    if not found.overheads:
        return "No strategy has been measured yet"
    return "No gap was longer than the timeout" if found.safe else "No strategy was safe"


def as_markdown(found: Assessment) -> str:
    """The recommendation in Markdown: a sentence, and the reasons as a list below it."""
    if not found.overheads:
        return f"{verdict(found)}."
    if not found.safe:
        return f"{verdict(found)}: every strategy failed at least one request."
    safe = f"No failed request: {', '.join(f'`{label}`' for label in found.safe)}."
    if found.recommended is None:
        return f"{safe} {verdict(found)}, so none is recommended."
    first = f"{safe} Recommended: **`{found.recommended}`**, because"
    return "\n".join([f"{first}\n", *(f"- {reason}" for reason in reasons(found))])


def failed_none(one: Overhead) -> str:
    """How sure it is that a strategy without failures is safe, in a sentence."""
    return (
        f"None of {one.failed_after.n} first requests after the timeout failed "
        f"(95 % upper bound on the failure rate: {upper_bound(one.failed_after.high)})."
    )


def reasons(found: Assessment) -> Iterator[str]:
    """Why the recommended strategy is recommended, in sentences; nothing without a recommendation."""
    if not found.cheapest:
        return
    chosen, *equals = found.cheapest
    yield failed_none(chosen)
    if not chosen.within_timeout:
        yield (
            "No gap was within the timeout. There, a strategy that closes its connections pays for a new "
            "handshake and others do not, which these data cannot show."
        )
    if not math.isnan(chosen.warm_commands):
        rivals = [one for one in found.overheads if one.is_safe and one is not chosen]
        others = ", ".join(f"{one.label} {count(one.warm_commands)}" for one in rivals)
        yield (
            f"A warm request costs {count(chosen.warm_commands)} commands on the wire"
            + (f" ({others})" if others else "")
            + f" and {_latency(chosen.warm)}."
        )
    yield (
        f"The first request after the timeout takes {count(chosen.after_commands)} commands and "
        f"{_latency(chosen.after_timeout)}."
    )
    if equals:
        yield (
            f"Not distinguishable in these data: {', '.join(one.label for one in equals)}. "
            "The first of equal strategies is recommended."
        )
    known = STRATEGIES.get(chosen.label)
    if known:
        yield f"Where it fails: {known.fails}."


def _latency(found: Quantiles) -> str:
    """Median and 99th percentile with their intervals; the maximum if n is too small for a p99."""
    median, p99 = (
        f"{milliseconds(one.value)} ms [{positive_interval(one, milliseconds)}]"
        for one in (found.median, found.p99)
    )
    if math.isfinite(found.p99.high):
        return f"{median} at p50, {p99} at p99"
    return f"{median} at p50; max {milliseconds(found.maximum)} ms (n = {found.p99.n}, too few for a p99)"


def limitations(scenario: Scenario, headers: Sequence[Header], found: Assessment) -> Iterator[str]:
    """What these data do not support, in sentences."""
    if any(header.target.is_local for header in headers):
        added = max(header.target.added_rtt_s for header in headers)
        trip = (
            f"which adds {milliseconds(added)} ms to every round trip and models nothing else of a network"
            if added
            else "where a round trip costs next to nothing and CPU time dominates"
        )
        yield (
            f"The campaign ran in the local lab on one machine, {trip}. It did not measure RDS Proxy, Lambda "
            "or a VPC: compare commands before milliseconds."
        )
    first = scenario.select(["label", "gap_ratio"], RequestKind.FIRST_AFTER_GAP)
    sizes = first.groupby(["label", "gap_ratio"], observed=True).size()
    if len(sizes) and sizes.min() < _BOUNDS_P99:
        yield (
            f"With {sizes.min()} requests per cell, the p99 of first requests after a gap has no upper bound "
            f"(that takes {_BOUNDS_P99}). The table shows ∞, and the charts show every point."
        )
    if found.safe:
        worst = max(one.failed_after.high for one in found.overheads if one.is_safe)
        yield (
            f"A safe strategy may still fail: the data are compatible with a failure rate of up to "
            f"{upper_bound(worst)} after gaps longer than the timeout."
        )
    failures = sorted(scenario.rows["failure"].unique())
    yield (
        f"Only this failure mode was measured: {', '.join(failures)}. A silent network, a failover and a "
        "server restart need cells of their own."
    )
    machines = len({header.machine for header in headers})
    yield (
        "Requests are not independent samples of a fleet: they come from "
        f"{scenario.rows['environment'].nunique()} execution environments on "
        f"{'one machine' if machines == 1 else f'{machines} machines'}, and requests of one environment are "
        "more similar than the intervals assume."
    )
    if found.noise is None:
        yield f"The noise is unknown: this scenario has no A/A control of {REFERENCE}."
    elif not math.isfinite(found.noise.high):
        yield f"The noise is unknown: the A/A control of {REFERENCE} has too few rounds."
    else:
        yield (
            f"Latency differences below {percent(noise_share(found.noise))} are within the noise: the A/A "
            f"control differs from {REFERENCE} by a factor of {number(found.noise.value)} "
            f"[{interval(found.noise, number)}]."
        )


def burst_verdict(row: BurstRow) -> str:
    """Whether requests failed, and with which errors."""
    if not row.failed_count:
        return "no failed request"
    return f"{row.failed_count} of {row.failed.n} requests failed ({', '.join(row.errors)})"


def burst_connections(row: BurstRow) -> str:
    """How many connections there were at the peak and afterwards."""
    parts = []
    if row.clients and row.database:
        both = f"{row.clients.peak} connections to the proxy and {row.database.peak} to the database"
        parts.append(f"{both} at the peak")
    elif row.database:
        parts.append(f"{row.database.peak} connections to the database at the peak")
    kept = row.clients or row.database
    if kept and kept.left:
        when = gone(kept)
        until = f"still open after {when[2:]} s" if when.startswith(">") else f"closed after {when} s"
        parts.append(f"{kept.left} left open afterwards, {until}")
    elif kept:
        parts.append("none left open afterwards")
    return "; ".join(parts)


def burst_limitations(dataset: Dataset) -> Iterator[str]:
    """What these data do not support, in sentences."""
    header = dataset.headers[0]
    yield (
        f"Connections are counted every {milliseconds(sampling_interval_s(dataset))} ms: a higher peak "
        "between two samples is missed. The number left open afterwards does not change any more, and is "
        "exact."
    )
    if header.target.is_local:
        yield (
            f"Latencies come from a closed loop on a machine with {header.machine.cores} cores, which "
            "environments, proxy and database share. With many environments they measure the wait for a "
            "core, and the lab's proxy, which is not RDS Proxy. Compare counts, not milliseconds."
        )
        yield (
            "The lab's proxy closes idle database connections after "
            f"{header.target.proxy_settings['DatabaseIdleAfter']:.2g} s, RDS Proxy after minutes. The number "
            "left right after a burst is a snapshot."
        )
    yield (
        "Requests of one burst are not independent, although the intervals assume so: another burst may "
        "differ by more. The A/A control shows by how much it did."
    )
    yield (
        "No environment ends here: all stay frozen, and a frozen environment runs no code. Lambda ends "
        "environments when it likes and, if an extension is registered, sends SIGTERM to Python 3.12 and "
        "later. A dispose() in the SIGTERM handler leaves fewer connections behind; it does nothing for the "
        "gap."
    )
    yield (
        "Every thread waits for its answer before it thinks and asks again. Arrivals that do not wait, as "
        "from a public API, queue up where these slow down."
    )
