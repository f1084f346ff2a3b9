"""Figures as text, and tables for the terminal, for Markdown and for the page."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bench.analysis.statistics import Estimate
from bench.analysis.tables import MainRow
from bench.analysis.tradeoff import Price

T = TypeVar("T")
NONE = "-"


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column: its head, what it means, and how a row becomes its text."""

    head: str
    meaning: str
    text: Callable[[T], str]
    in_brief: bool = True  # shown where room is short, too
    is_name: bool = False  # set left, as a name is, not right as a number


@dataclass(frozen=True, slots=True)
class Table:
    """Text, ready to be set in any way."""

    heads: tuple[str, ...]
    meanings: tuple[str, ...]
    names: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


def render(columns: Sequence[Column[T]], rows: Sequence[T], *, brief: bool = False) -> Table:
    """Fill the table; `brief` leaves out what is said elsewhere."""
    shown = [column for column in columns if column.in_brief or not brief]
    return Table(
        tuple(column.head for column in shown),
        tuple(column.meaning for column in shown),
        tuple(column.is_name for column in shown),
        tuple(tuple(column.text(row) for column in shown) for row in rows),
    )


def as_text(table: Table) -> str:
    """Aligned by blanks, for a terminal."""
    lines = [table.heads, *table.rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(table.heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if name else cell.rjust(width)
            for cell, width, name in zip(line, widths, table.names, strict=True)
        ).rstrip()
        for line in lines
    )


def as_markdown(table: Table) -> str:
    """A pipe table."""
    rule = [":--" if name else "--:" for name in table.names]
    return "\n".join(f"| {' | '.join(line)} |" for line in (table.heads, rule, *table.rows))


def number(value: float, digits: int = 3) -> str:
    """Significant digits, without exponent; ∞ and - where there is no number."""
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def count(value: float) -> str:
    """Commands or connections per request: at most two decimals."""
    return NONE if math.isnan(value) else f"{value:.2f}".rstrip("0").rstrip(".")


def percent(share: float) -> str:
    """A share; what is not quite nothing, or all, does not become it by rounding."""
    if math.isnan(share):
        return NONE
    decimals = 0 if share in (0, 1) or 0.0095 <= share <= 0.9905 else 2
    return f"{100 * share:.{decimals}f} %"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, without the unit."""
    return number(1e3 * seconds)


def interval(estimate: Estimate, text: Callable[[float], str]) -> str:
    """The two bounds."""
    return NONE if estimate.n == 0 else f"{text(max(0.0, estimate.low))} to {text(estimate.high)}"


def with_interval(estimate: Estimate, text: Callable[[float], str]) -> str:
    """Value and bounds."""
    return NONE if estimate.n == 0 else f"{text(estimate.value)} [{interval(estimate, text)}]"


def lost_of(lost: int, n: int) -> str:
    """A count and what it is a count of."""
    return f"{lost} of {n}" if n else NONE


def _ratio(estimate: Estimate) -> str:
    return number(estimate.value) if estimate.n else NONE


MAIN: Sequence[Column[MainRow]] = (
    Column("strategy", "", lambda row: row.label, is_name=True),
    Column("gap", "gap asked for ÷ idle client timeout", lambda row: f"{row.gap_ratio:g}"),
    Column(
        "gap seen",
        "median of the gaps that the sockets saw",
        lambda row: number(row.gap_seen),
        in_brief=False,
    ),
    Column(
        "lost",
        "first-after-gap requests that failed or hung",
        lambda row: lost_of(row.lost_count, row.lost.n),
    ),
    Column("95 % of lost", "Wilson interval of the share lost", lambda row: interval(row.lost, percent)),
    Column(
        "first p50",
        "ms, first-after-gap requests that were answered",
        lambda row: milliseconds(row.first.median.value),
    ),
    Column(
        "95 % of p50",
        "order-statistic interval",
        lambda row: interval(row.first.median, milliseconds),
        in_brief=False,
    ),
    Column("p95", "ms", lambda row: milliseconds(row.first.p95.value)),
    Column(
        "95 % of p95",
        "∞: too few requests for a bound",
        lambda row: interval(row.first.p95, milliseconds),
        in_brief=False,
    ),
    Column("p99", "ms", lambda row: milliseconds(row.first.p99.value)),
    Column(
        "95 % of p99",
        "∞: too few requests for a bound",
        lambda row: interval(row.first.p99, milliseconds),
        in_brief=False,
    ),
    Column("max", "ms", lambda row: milliseconds(row.first.maximum)),
    Column(
        "reconnected",
        "of the answered, how many opened a connection",
        lambda row: percent(row.first_mixture.reconnect_share.value),
        in_brief=False,
    ),
    Column("connects", "connections opened per first-after-gap request", lambda row: count(row.connects)),
    Column("commands", "on the wire per first-after-gap request", lambda row: count(row.wire_commands)),
    Column(
        "steady p50",
        "ms, requests that followed an answered one",
        lambda row: milliseconds(row.steady.median.value),
    ),
    Column("steady p99", "ms", lambda row: with_interval(row.steady.p99, milliseconds), in_brief=False),
    Column(
        "x ref.",
        "ratio of steady medians to the reference's in the same rounds",
        lambda row: _ratio(row.steady_ratio),
    ),
    Column(
        "95 % of x", "bootstrap over rounds", lambda row: interval(row.steady_ratio, number), in_brief=False
    ),
    Column(
        "recovered",
        "requests right after a lost one that were answered",
        lambda row: lost_of(
            round(row.recovered.value * row.recovered.n) if row.recovered.n else 0, row.recovered.n
        ),
        in_brief=False,
    ),
)
PRICES: Sequence[Column[Price]] = (
    Column("strategy", "", lambda price: price.label, is_name=True),
    Column("lost", "requests of any kind", lambda price: lost_of(price.lost, price.requests)),
    Column(
        "lost beyond the timeout",
        "first requests after a gap longer than it, with Wilson's interval",
        lambda price: with_interval(price.lost_beyond, percent),
    ),
    Column("steady p50", "ms", lambda price: milliseconds(price.steady.median.value)),
    Column("p99", "ms", lambda price: milliseconds(price.steady.p99.value)),
    Column(
        "beyond p50",
        "ms, first request after a gap longer than the timeout, if answered",
        lambda price: milliseconds(price.beyond.median.value),
    ),
    Column("p99", "ms", lambda price: milliseconds(price.beyond.p99.value)),
    Column("commands steady", "on the wire per steady request", lambda price: count(price.wire_steady)),
    Column("beyond", "per first request beyond the timeout", lambda price: count(price.wire_beyond)),
    Column("connects", "connections opened per request", lambda price: count(price.connects)),
    Column(
        "held", "connections open at the proxy, mean over the campaign", lambda price: number(price.held, 2)
    ),
)
