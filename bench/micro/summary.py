"""Beside pytest-benchmark's table: ratios to the reference and tail percentiles, with intervals."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.statistics import Estimate, quantile, ratio_within_blocks

HEADERS = ("group", "benchmark", "n", "median µs", "p95 µs", "p99 µs", "ratio to reference", "wire commands")


@dataclass(frozen=True, slots=True)
class Line:
    """One benchmark. Times in seconds; `ratio` is that of neighbouring rounds, None without a reference."""

    group: str
    name: str
    median: Estimate
    p95: Estimate
    p99: Estimate
    ratio: Estimate | None
    wire_commands: int | None

    def cells(self) -> tuple[str, ...]:
        """Text of each column of HEADERS."""
        return (
            self.group,
            self.name,
            str(self.median.n),
            _microseconds(self.median),
            _microseconds(self.p95),
            _microseconds(self.p99),
            "" if self.ratio is None else _interval(self.ratio, "{:.2f}"),
            "" if self.wire_commands is None else str(self.wire_commands),
        )


def _microseconds(seconds: Estimate) -> str:
    scaled = Estimate(seconds.value * 1e6, seconds.low * 1e6, seconds.high * 1e6, seconds.n)
    return _interval(scaled, "{:.0f}")


def _interval(estimate: Estimate, form: str) -> str:
    low, high = (form.format(x) if math.isfinite(x) else "∞" for x in (estimate.low, estimate.high))
    return f"{form.format(estimate.value)} [{low}, {high}]"


def lines(benchmarks: Iterable[dict[str, Any]]) -> list[Line]:
    """Lines from the `benchmarks` of a pytest-benchmark JSON report, which must hold their data."""
    found = []
    for benchmark in benchmarks:
        data, info = benchmark["stats"]["data"], benchmark["extra_info"]
        reference = info.get("reference_s")
        found.append(
            Line(
                group=benchmark["group"] or "",
                name=benchmark["name"].removeprefix("test_"),
                median=quantile(data, 0.5),
                p95=quantile(data, 0.95),
                p99=quantile(data, 0.99),
                ratio=ratio_within_blocks(data, reference) if reference else None,
                wire_commands=info.get("wire_commands"),
            )
        )
    return sorted(found, key=lambda line: (line.group, line.median.value))


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, a rule below the first row."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    formatted = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    ]
    return "\n".join([formatted[0], "-" * len(formatted[0]), *formatted[1:]])
