"""The answer that the report opens with, as sentences; and what the data cannot say."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analysis.comparison import Comparison, compare, noise_floor, noise_share
from bench.analysis.provenance import Header
from bench.analysis.render import count, interval, milliseconds, number, percent
from bench.analysis.requests import Kind
from bench.analysis.settings import Setting
from bench.analysis.statistics import Estimate
from bench.analysis.tradeoff import Price, front, prices, recommended
from bench.function.strategies import REFERENCE, STRATEGIES


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do in one setting.

    Attributes:
        prices: of every strategy.
        safe: labels of those that lost no request.
        front: of those, the ones that no other beats in everything.
        recommended: one of them, or None if every strategy lost requests.
        because: why, in sentences.
        comparisons: of steady requests with the reference's.
        noise: ratio of the A/A pair; None if there was none.

    """

    prices: tuple[Price, ...]
    safe: tuple[str, ...]
    front: tuple[str, ...]
    recommended: str | None
    because: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    noise: Estimate | None


def answer(setting: Setting) -> Answer:
    """Find the safe set, its front, and the recommendation."""
    found = prices(setting)
    comparisons = compare(setting)
    noise = noise_floor(comparisons)
    safe = [price for price in found if price.is_safe]
    chosen = recommended(found)
    because = tuple(_because(chosen, found)) if chosen else ()
    return Answer(
        found,
        tuple(price.label for price in safe),
        front(safe, noise_share(noise)),
        chosen.label if chosen else None,
        because,
        comparisons,
        noise,
    )


def as_markdown(found: Answer) -> str:
    """What to do, in Markdown: a sentence, and the reasons as a list below it."""
    if found.recommended is None:
        return "No strategy was safe: each lost at least one request."
    safe = ", ".join(f"`{label}`" for label in found.safe)
    verdict = f"Lost no request: {safe}. Recommended: **`{found.recommended}`**, because"
    return "\n".join([f"{verdict}\n", *(f"- {why}" for why in found.because)])


def _because(chosen: Price, all_prices: Sequence[Price]) -> Iterator[str]:
    beyond = chosen.lost_beyond
    if beyond.n:
        yield (
            f"It lost none of {beyond.n} first requests after a gap longer than the timeout; "
            f"with that many, up to {percent(beyond.high)} could be lost and not have been seen."
        )
    else:
        yield "No gap was longer than the timeout, so this says nothing about the failure itself."
    if not math.isnan(chosen.wire_steady):
        rivals = [price for price in all_prices if price.is_safe and price.label != chosen.label]
        dearer = ", ".join(f"{price.label} {count(price.wire_steady)}" for price in rivals)
        yield (
            f"A warm request costs {count(chosen.wire_steady)} commands on the wire"
            + (f" ({dearer})" if dearer else "")
            + f" and {milliseconds(chosen.steady.median.value)} ms at p50, "
            f"{milliseconds(chosen.steady.p99.value)} ms at p99."
        )
    if beyond.n:
        yield (
            "The first request beyond the timeout takes "
            f"{milliseconds(chosen.beyond.median.value)} ms at p50 and "
            f"{milliseconds(chosen.beyond.p99.value)} ms at p99, with {count(chosen.wire_beyond)} commands."
        )
    known = STRATEGIES.get(chosen.label)
    if known:
        yield f"Where it fails: {known.fails}."


def cannot_say(setting: Setting, headers: Sequence[Header], found: Answer) -> Iterator[str]:
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
    first = setting.select(["label", "gap_ratio"], Kind.FIRST_AFTER_GAP)
    sizes = first.groupby(["label", "gap_ratio"], observed=True).size()
    if len(sizes) and sizes.min() < 368:
        yield (
            f"The p99 of first-after-gap requests: with {sizes.min()} in a cell it has no upper bound "
            "(that takes 368). The table shows ∞ there, and the charts every point."
        )
    if found.safe:
        worst = max(price.lost_beyond.high for price in found.prices if price.is_safe)
        yield (
            "That a safe strategy never loses a request: what was seen is compatible with up to "
            f"{percent(worst)} lost after gaps longer than the timeout."
        )
    failures = sorted(setting.rows["failure"].unique())
    yield (
        f"Other ways to lose a connection than {', '.join(failures)}: a silent network, a failover and a "
        "server restart need cells of their own."
    )
    lanes = setting.rows["environment"].nunique()
    yield (
        f"Independent draws from a fleet: the rows come from {lanes} execution environments on "
        f"{len({str(header.content['machine']) for header in headers})} machine(s), and those of one "
        "environment resemble each other more than the intervals assume."
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
