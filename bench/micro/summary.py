"""Beside pytest-benchmark's tables: tails, and ratios to the reference, with their intervals."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from poolbench.report import render
from poolbench.report.render import Column
from poolbench.report.statistics import Estimate, Quantiles, paired


class NoData(Exception):
    """A benchmark was saved without its rounds; the message names it and the cure."""


@dataclass(frozen=True, slots=True)
class Line:
    """One benchmark.

    Attributes:
        group: the question.
        name: one of its answers.
        seconds: of its rounds. The intervals take rounds as independent, which those on one connection are
            not quite.
        ratio: to the reference on neighbouring rounds: of the medians on each pair of connections, with an
            interval over the pairs. None without a reference.
        wire_commands: of one round, None where nobody can count them.

    """

    group: str
    name: str
    seconds: Quantiles
    ratio: Estimate | None
    wire_commands: int | None


def lines(benchmarks: Iterable[Mapping[str, Any]]) -> list[Line]:
    """Describe the `benchmarks` of a pytest-benchmark JSON report.

    Groups stay in their order; within a group the quickest comes first.

    Raises:
        NoData: there are no rounds in it.

    """
    found = [_line(benchmark) for benchmark in benchmarks]
    groups = list(dict.fromkeys(line.group for line in found))
    return sorted(found, key=lambda line: (groups.index(line.group), line.seconds.median.value))


def by_group(described: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    """Each group with its lines."""
    for group, members in groupby(described, key=lambda line: line.group):
        yield group, list(members)


def _line(benchmark: Mapping[str, Any]) -> Line:
    name = benchmark["param"] or benchmark["name"].removeprefix("test_").replace("_", " ")
    data, info = benchmark["stats"].get("data"), benchmark["extra_info"]
    if not data:
        raise NoData(f"{benchmark['fullname']} was saved without its rounds: add --benchmark-save-data")
    reference = info.get("reference_s")
    return Line(
        group=benchmark["group"] or "",
        name=name,
        seconds=Quantiles.of(data),
        ratio=_ratio(data, reference, info["rounds_per_connection"]) if reference else None,
        wire_commands=info.get("wire_commands"),
    )


def _ratio(data: Sequence[float], reference: Sequence[float], per_connection: int) -> Estimate:
    """Of medians for each pair of connections: what differs between connections is the larger noise."""
    starts = range(0, len(data), per_connection)
    medians = [[float(np.median(of[at : at + per_connection])) for at in starts] for of in (data, reference)]
    return paired(medians[0], medians[1]).ratio


def microseconds(seconds: float) -> str:
    """Seconds as microseconds, without the unit."""
    return render.number(1e6 * seconds)


def _quantile(head: str, meaning: str, of: str) -> Column[Line]:
    def estimate(line: Line) -> Estimate:
        found: Estimate = getattr(line.seconds, of)
        return found

    return Column(
        "µs",
        head,
        meaning,
        lambda line: microseconds(estimate(line).value),
        lambda line: render.positive_interval(estimate(line), microseconds),
    )


COLUMNS: Sequence[Column[Line]] = (
    Column("", "benchmark", "", lambda line: line.name, is_name=True),
    Column("", "rounds", "measured", lambda line: str(line.seconds.median.n)),
    _quantile("p50", "median, order-statistic interval", "median"),
    _quantile("p95", "order-statistic interval; ∞: too few rounds for a bound", "p95"),
    _quantile("p99", "order-statistic interval; ∞: too few rounds for a bound", "p99"),
    Column("µs", "max", "the slowest round", lambda line: microseconds(line.seconds.maximum)),
    Column(
        "to the reference",
        "ratio",
        "of medians on neighbouring rounds, bootstrap interval over connections",
        lambda line: render.NONE if line.ratio is None else render.number(line.ratio.value),
        lambda line: "" if line.ratio is None else render.interval(line.ratio, render.number),
    ),
    Column(
        "",
        "commands",
        "sent in one round, login included, COM_QUIT not",
        lambda line: render.NONE if line.wire_commands is None else str(line.wire_commands),
    ),
)


def as_text(described: Sequence[Line]) -> str:
    """All groups for a terminal, with the intervals."""
    columns = [_spelled_out(column) for column in COLUMNS]
    return "\n\n".join(
        f"{group}\n{render.as_text(render.render(columns, members))}"
        for group, members in by_group(described)
    )


def _spelled_out(column: Column[Line]) -> Column[Line]:
    interval = column.interval
    if interval is None:
        return column

    def text(line: Line) -> str:
        bounds = interval(line)
        return f"{column.text(line)} [{bounds}]" if bounds else column.text(line)

    return replace(column, text=text)
