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
from poolbench.report.render import count, interval, milliseconds, number, percent, positive_interval
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
        return f"{verdict(found)}: each lost at least one request."
    safe = f"Lost no request: {', '.join(f'`{label}`' for label in found.safe)}."
    if found.recommended is None:
        return f"{safe} {verdict(found)}, so none is recommended."
    first = f"{safe} Recommended: **`{found.recommended}`**, because"
    return "\n".join([f"{first}\n", *(f"- {reason}" for reason in reasons(found))])


def failed_none(one: Overhead) -> str:
    """How sure it is that a strategy without failures is safe, in a sentence."""
    after = one.failed_after
    return (
        f"It lost none of {after.n} first requests after a gap longer than the timeout; "
        f"with that many, up to {percent(after.high)} could be lost and not have been seen."
    )


def reasons(found: Assessment) -> Iterator[str]:
    """Why the recommended strategy is recommended, in sentences; nothing without a recommendation."""
    if not found.cheapest:
        return
    chosen, *equals = found.cheapest
    yield failed_none(chosen)
    if not chosen.within_timeout:
        yield (
            "No gap was within the timeout, so this says nothing of the handshake that whoever closes its "
            "connections pays there, and others do not."
        )
    if not math.isnan(chosen.warm_commands):
        rivals = [one for one in found.overheads if one.is_safe and one is not chosen]
        dearer = ", ".join(f"{one.label} {count(one.warm_commands)}" for one in rivals)
        yield (
            f"A warm request costs {count(chosen.warm_commands)} commands on the wire"
            + (f" ({dearer})" if dearer else "")
            + f" and {_latency(chosen.warm)}."
        )
    yield (
        f"The first request beyond the timeout takes {count(chosen.after_commands)} commands and "
        f"{_latency(chosen.after_timeout)}."
    )
    if equals:
        yield (
            f"As cheap, as far as these data can tell: {', '.join(one.label for one in equals)}; "
            "of equals the first is named."
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
    slowest = f"the slowest of {found.p99.n} took {milliseconds(found.maximum)} ms, too few for a p99"
    return f"{median} at p50; {slowest}"


def limitations(scenario: Scenario, headers: Sequence[Header], found: Assessment) -> Iterator[str]:
    """Claims that these data do not support, in sentences."""
    if any(header.is_local for header in headers):
        added = max(header.added_rtt_s for header in headers)
        trip = (
            f"where a round trip was made to take {milliseconds(added)} ms more, and no more of a network"
            if added
            else "where a round trip costs next to nothing and CPU dominates"
        )
        yield (
            "Anything about RDS Proxy, Lambda or a VPC as such: this ran in the lab, on one machine, "
            f"{trip}. Compare commands before milliseconds."
        )
    first = scenario.select(["label", "gap_ratio"], RequestKind.FIRST_AFTER_GAP)
    sizes = first.groupby(["label", "gap_ratio"], observed=True).size()
    if len(sizes) and sizes.min() < _BOUNDS_P99:
        yield (
            f"The p99 of first-after-gap requests: with {sizes.min()} in a cell it has no upper bound "
            f"(that takes {_BOUNDS_P99}). The table shows ∞ there, and the charts every point."
        )
    if found.safe:
        worst = max(one.failed_after.high for one in found.overheads if one.is_safe)
        yield (
            "That a safe strategy never loses a request: what was seen is compatible with up to "
            f"{percent(worst)} lost after gaps longer than the timeout."
        )
    failures = sorted(scenario.rows["failure"].unique())
    yield (
        f"Other ways to lose a connection than {', '.join(failures)}: a silent network, a failover and a "
        "server restart need cells of their own."
    )
    machines = len({str(header.content["machine"]) for header in headers})
    yield (
        f"Independent draws from a fleet: the rows come from {scenario.rows['environment'].nunique()} "
        f"execution environments on {'one machine' if machines == 1 else f'{machines} machines'}, and those "
        "of one environment resemble each other more than the intervals assume."
    )
    if found.noise is None:
        yield f"How large the noise is: there is no A/A pair of {REFERENCE} in this setting."
    elif not math.isfinite(found.noise.high):
        yield f"How large the noise is: there are too few rounds of the A/A pair of {REFERENCE}."
    else:
        yield (
            f"Differences of latency below {percent(noise_share(found.noise))}: the same strategy measured "
            f"twice differs by a factor of {number(found.noise.value)} [{interval(found.noise, number)}]."
        )


def burst_verdict(row: BurstRow) -> str:
    """Whether requests failed, and with which errors."""
    if not row.failed_count:
        return "lost no request"
    return f"lost {row.failed_count} of {row.failed.n} requests ({', '.join(row.errors)})"


def burst_connections(row: BurstRow) -> str:
    """How many connections there were at the peak and afterwards."""
    parts = []
    if row.clients and row.database:
        both = f"{row.clients.peak} connections to the proxy and {row.database.peak} to the database"
        parts.append(f"{both} at the peak")
    elif row.database:
        parts.append(f"{row.database.peak} connections to the database at the peak")
    holder = row.clients or row.database
    if holder and holder.left:
        when = gone(holder)
        until = f"still there after {when[2:]} s" if when.startswith(">") else f"gone after {when} s"
        parts.append(f"{holder.left} left open afterwards, {until}")
    elif holder:
        parts.append("none left open afterwards")
    return "; ".join(parts)


def burst_limitations(dataset: Dataset) -> Iterator[str]:
    """Claims that these data do not support, in sentences."""
    header = dataset.headers[0].content
    yield (
        f"Counts are exact at each sample, every {milliseconds(sampling_interval_s(dataset))} ms. A peak "
        "between two is not seen, so the peak may be a little higher; what clients leave open afterwards is "
        "at rest, and exact."
    )
    if dataset.headers[0].is_local:
        yield (
            f"Latencies are those of a closed loop on a machine of {header['machine']['cores']} cores, which "
            "environments, proxy and database share: with many at once they measure the wait for a core, and "
            "the lab's proxy, which is not RDS Proxy, before they measure a strategy. Compare counts, not "
            "milliseconds."
        )
        yield (
            "Database connections that the proxy has no use for are closed after "
            f"{header['target']['proxy']['DatabaseIdleAfter']:.2g} s here, and after minutes by RDS Proxy: "
            "how many of them are left right after a burst is caught in passing."
        )
    yield (
        "Requests of one burst are not independent of each other, as the intervals take them to be: a second "
        "burst may differ by more. The A/A pair shows by how much it did."
    )
    yield (
        "What is closed when an environment ends: here all stay frozen, and a frozen one runs no code. Lambda"
        " ends them when it likes, and sends Python 3.12 and later SIGTERM if an extension is registered:"
        " a dispose() in its handler shortens what is left behind, and does nothing for the gap."
    )
    yield (
        "Every thread waits for its answer before it thinks and asks again. Arrivals that do not wait, as "
        "those of a public API, pile up where these slow down."
    )
