"""Numbers as text, and tables for the terminal, for Markdown and for the page."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

from poolbench.report.statistics import Estimate

T = TypeVar("T")
NONE = "-"


@dataclass(frozen=True, slots=True)
class TableColumn(Generic[T]):
    """A column of a table about many `T`."""

    group: str  # heading that the columns beside it share; may be empty
    head: str  # its own heading within the group
    meaning: str  # definition with the unit, shown when the reader points at the head
    text: Callable[[T], str]  # of a cell
    interval: Callable[[T], str] | None = None  # of a cell, if there is room
    is_name: bool = False  # aligned left, as a name, instead of right, as a number


@dataclass(frozen=True, slots=True)
class TableCell:
    """Text with its interval, which may be empty."""

    text: str
    interval: str


@dataclass(frozen=True, slots=True)
class Table:
    """Text, ready for any output."""

    groups: tuple[str, ...]  # one a column; neighbours that belong together have the same
    heads: tuple[str, ...]
    meanings: tuple[str, ...]
    names: tuple[bool, ...]
    rows: tuple[tuple[TableCell, ...], ...]

    def spans(self) -> Iterator[tuple[str, int]]:
        """Each group with the number of its columns."""
        for group, columns in groupby(self.groups):
            yield group, len(list(columns))


def name(head: str, text: Callable[[T], str], meaning: str = "") -> TableColumn[T]:
    """A column of words, aligned left."""
    return TableColumn("", head, meaning, text, is_name=True)


def latency(group: str, head: str, meaning: str, of: Callable[[T], Estimate]) -> TableColumn[T]:
    """A column of latencies in milliseconds, from an estimate in seconds, with its interval."""
    return TableColumn(
        group,
        head,
        f"ms, {meaning}",
        lambda row: milliseconds(of(row).value),
        lambda row: positive_interval(of(row), milliseconds),
    )


def render(columns: Sequence[TableColumn[T]], rows: Sequence[T]) -> Table:
    """Fill the table."""
    return Table(
        tuple(column.group for column in columns),
        tuple(column.head for column in columns),
        tuple(column.meaning for column in columns),
        tuple(column.is_name for column in columns),
        tuple(tuple(_cell(column, row) for column in columns) for row in rows),
    )


def _cell(column: TableColumn[T], row: T) -> TableCell:
    return TableCell(column.text(row), column.interval(row) if column.interval else "")


def as_text(table: Table) -> str:
    """Aligned by spaces, for a terminal, without the intervals."""
    lines = [table.heads, *(tuple(cell.text for cell in row) for row in table.rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(table.heads))]
    over, place = "", 0
    for group, span in table.spans():
        missing = len(group) - sum(widths[place : place + span]) - 2 * (span - 1)
        widths[place] += max(0, missing)  # a group is at least as wide as its name
        over += group.ljust(sum(widths[place : place + span]) + 2 * (span - 1)) + "  "
        place += span
    aligned = [
        "  ".join(
            text.ljust(width) if name else text.rjust(width)
            for text, width, name in zip(line, widths, table.names, strict=True)
        )
        for line in lines
    ]
    return "\n".join(line.rstrip() for line in [over, *aligned])


def as_markdown(table: Table) -> str:
    """A pipe table; intervals in brackets."""
    heads = [f"{group} {head}".strip() for group, head in zip(table.groups, table.heads, strict=True)]
    rule = [":--" if name else "--:" for name in table.names]
    rows = [
        [
            # A pipe, as between two modes, would end the cell.
            (f"{cell.text} [{cell.interval}]" if cell.interval else cell.text).replace("|", "\\|")
            for cell in row
        ]
        for row in table.rows
    ]
    return inert("\n".join(f"| {' | '.join(line)} |" for line in (heads, rule, *rows)))


def inert(markdown: str) -> str:
    """Markdown whose text opens no HTML tag, whatever a strategy is called or an error says.

    Only these characters make a `<` the start of one (CommonMark, "Raw HTML" and "HTML blocks").
    """
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", markdown)


def number(value: float, digits: int = 3) -> str:
    """Significant digits, without exponent; ∞ for infinity and - for NaN."""
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
    """A share; only exact shares are shown as 0 % and 100 %."""
    if math.isnan(share):
        return NONE
    decimals = 0 if share in (0, 1) or 0.0095 <= share <= 0.9905 else 2
    return f"{100 * share:.{decimals}f} %"


def upper_bound(share: float) -> str:
    """An upper bound of a share, rounded up."""
    return f"{math.ceil(1000 * share) / 10:.1f} %"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, without the unit."""
    return number(1e3 * seconds)


def interval(estimate: Estimate, text: Callable[[float], str]) -> str:
    """The two bounds; empty without observations."""
    return f"{text(estimate.low)} to {text(estimate.high)}" if estimate.n else ""


def positive_interval(estimate: Estimate, text: Callable[[float], str]) -> str:
    """The two bounds of a value that cannot be negative, such as a latency."""
    return f"{text(max(0.0, estimate.low))} to {text(estimate.high)}" if estimate.n else ""


def out_of(count: int, n: int) -> str:
    """A count and the total that it is part of."""
    return f"{count} of {n}" if n else NONE
