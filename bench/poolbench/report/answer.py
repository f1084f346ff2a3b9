"""The answer that the report opens with, as sentences; and what the data cannot say."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poolbench.function.strategies import REFERENCE, STRATEGIES
from poolbench.model.header import Header
from poolbench.report.comparison import Comparison, compare, noise_floor, noise_share
from poolbench.report.render import count, interval, milliseconds, number, percent, positive_interval
from poolbench.report.requests import Kind
from poolbench.report.settings import Setting
from poolbench.report.statistics import Estimate, Quantiles
from poolbench.report.tradeoff import Price, front, prices, recommended


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do in one setting.

    Attributes:
        prices: of every strategy.
        safe: labels of those that lost no request.
        front: of those, the ones that no other beats in everything.
        recommended: the first of the cheapest of them, or None, see `tradeoff.recommended`.
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

    @property
    def verdict(self) -> str:
        """What there is to say in one line where nothing is recommended."""
        if not self.prices:
            return "No strategy has been measured yet"
        return "No gap was longer than the timeout" if self.safe else "No strategy was safe"


def answer(setting: Setting) -> Answer:
    """Find the safe set, its front, and the recommendation."""
    found = prices(setting)
    comparisons = compare(setting)
    noise = noise_floor(comparisons)
    safe = [price for price in found if price.is_safe]
    share = noise_share(noise)
    cheapest = recommended(found, share)
    return Answer(
        found,
        tuple(price.label for price in safe),
        front(safe, share),
        cheapest[0].label if cheapest else None,
        tuple(_because(cheapest, safe)) if cheapest else (),
        comparisons,
        noise,
    )


def as_markdown(found: Answer) -> str:
    """What to do, in Markdown: a sentence, and the reasons as a list below it."""
    if not found.prices:
        return f"{found.verdict}."
    if not found.safe:
        return f"{found.verdict}: each lost at least one request."
    safe = f"Lost no request: {', '.join(f'`{label}`' for label in found.safe)}."
    if found.recommended is None:
        return f"{safe} {found.verdict}, so none is recommended."
    verdict = f"{safe} Recommended: **`{found.recommended}`**, because"
    return "\n".join([f"{verdict}\n", *(f"- {why}" for why in found.because)])


def lost_none(price: Price) -> str:
    """How sure it is that a strategy is safe, which lost nothing; a sentence."""
    beyond = price.lost_beyond
    return (
        f"It lost none of {beyond.n} first requests after a gap longer than the timeout; "
        f"with that many, up to {percent(beyond.high)} could be lost and not have been seen."
    )


def _because(cheapest: Sequence[Price], safe: Sequence[Price]) -> Iterator[str]:
    chosen, *equals = cheapest
    yield lost_none(chosen)
    if not chosen.within:
        yield (
            "No gap was within the timeout, so this says nothing of the handshake that whoever closes its "
            "connections pays there, and others do not."
        )
    if not math.isnan(chosen.wire_steady):
        rivals = [price for price in safe if price.label != chosen.label]
        dearer = ", ".join(f"{price.label} {count(price.wire_steady)}" for price in rivals)
        yield (
            f"A warm request costs {count(chosen.wire_steady)} commands on the wire"
            + (f" ({dearer})" if dearer else "")
            + f" and {_latency(chosen.steady)}."
        )
    yield (
        f"The first request beyond the timeout takes {count(chosen.wire_beyond)} commands and "
        f"{_latency(chosen.beyond)}."
    )
    if equals:
        yield (
            f"As cheap, as far as these data can tell: {', '.join(price.label for price in equals)}; "
            "of equals the first is named."
        )
    known = STRATEGIES.get(chosen.label)
    if known:
        yield f"Where it fails: {known.fails}."


def _machines(headers: Sequence[Header]) -> str:
    count_of = len({str(header.content["machine"]) for header in headers})
    return "one machine" if count_of == 1 else f"{count_of} machines"


def _latency(found: Quantiles) -> str:
    """Median and 99th percentile with their intervals; the slowest instead where n bounds no p99."""
    median, p99 = (
        f"{milliseconds(one.value)} ms [{positive_interval(one, milliseconds)}]"
        for one in (found.median, found.p99)
    )
    if math.isfinite(found.p99.high):
        return f"{median} at p50, {p99} at p99"
    slowest = f"the slowest of {found.p99.n} took {milliseconds(found.maximum)} ms, too few for a p99"
    return f"{median} at p50; {slowest}"


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
        f"{_machines(headers)}, and those of one "
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
