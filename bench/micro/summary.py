"""A saved run, and what stands beside pytest-benchmark's tables: tails, and ratios to the reference."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from poolbench.report import render
from poolbench.report.render import TableColumn
from poolbench.report.statistics import Estimate, Quantiles, paired
from poolbench.typed import BadValue

_MACHINE = ("python_implementation", "python_version", "system", "release", "machine", "libraries", "cpus")
_CPU = ("brand_raw", "count")
_REQUIRED = {"benchmarks", "machine_info", "commit_info", "datetime"}
_DIGITS = 9  # of seconds, the resolution of the clock


class NoData(Exception):
    """A benchmark was saved without its rounds; the message names it and the cure."""


@dataclass(frozen=True, slots=True)
class BenchmarkLine:
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


def lines(benchmarks: Iterable[Mapping[str, Any]]) -> list[BenchmarkLine]:
    """Describe the `benchmarks` of a pytest-benchmark JSON report.

    Groups stay in their order; within a group the quickest comes first.

    Raises:
        NoData: it has no rounds.

    """
    found = [_line(benchmark) for benchmark in benchmarks]
    groups = list(dict.fromkeys(line.group for line in found))
    return sorted(found, key=lambda line: (groups.index(line.group), line.seconds.median.value))


def by_group(described: Sequence[BenchmarkLine]) -> Iterator[tuple[str, list[BenchmarkLine]]]:
    """Each group with its lines."""
    for group, members in groupby(described, key=lambda line: line.group):
        yield group, list(members)


def _line(benchmark: Mapping[str, Any]) -> BenchmarkLine:
    name = benchmark["param"] or benchmark["name"].removeprefix("test_").replace("_", " ")
    data, info = benchmark["stats"].get("data"), benchmark["extra_info"]
    if not data:
        raise NoData(f"{benchmark['fullname']} was saved without its rounds: add --benchmark-save-data")
    reference = info.get("reference_s")
    return BenchmarkLine(
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


def _quantile(head: str, meaning: str, of: str) -> TableColumn[BenchmarkLine]:
    def estimate(line: BenchmarkLine) -> Estimate:
        found: Estimate = getattr(line.seconds, of)
        return found

    return TableColumn(
        "µs",
        head,
        meaning,
        lambda line: microseconds(estimate(line).value),
        lambda line: render.positive_interval(estimate(line), microseconds),
    )


COLUMNS: Sequence[TableColumn[BenchmarkLine]] = (
    TableColumn("", "benchmark", "", lambda line: line.name, is_name=True),
    TableColumn("", "rounds", "measured", lambda line: str(line.seconds.median.n)),
    _quantile("p50", "median, order-statistic interval", "median"),
    _quantile("p95", "order-statistic interval; ∞: too few rounds for a bound", "p95"),
    _quantile("p99", "order-statistic interval; ∞: too few rounds for a bound", "p99"),
    TableColumn("µs", "max", "the slowest round", lambda line: microseconds(line.seconds.maximum)),
    TableColumn(
        "to the reference",
        "ratio",
        "of medians on neighbouring rounds, bootstrap interval over connections",
        lambda line: render.NONE if line.ratio is None else render.number(line.ratio.value),
        lambda line: "" if line.ratio is None else render.interval(line.ratio, render.number),
    ),
    TableColumn(
        "",
        "commands",
        "sent in one round, login included, COM_QUIT not",
        lambda line: render.NONE if line.wire_commands is None else str(line.wire_commands),
    ),
)


def as_text(described: Sequence[BenchmarkLine]) -> str:
    """All groups for a terminal, with the intervals."""
    columns = [_spelled_out(column) for column in COLUMNS]
    return "\n\n".join(
        f"{group}\n{render.as_text(render.render(columns, members))}"
        for group, members in by_group(described)
    )


def _spelled_out(column: TableColumn[BenchmarkLine]) -> TableColumn[BenchmarkLine]:
    interval = column.interval
    if interval is None:
        return column

    def text(line: BenchmarkLine) -> str:
        bounds = interval(line)
        return f"{column.text(line)} [{bounds}]" if bounds else column.text(line)

    return replace(column, text=text)


class NotARun(BadValue):
    """A file that holds no run of this suite; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a file holds.

    Attributes:
        lines: its benchmarks.
        facts: what they were measured with, for whoever judges them.

    """

    lines: tuple[BenchmarkLine, ...]
    facts: Mapping[str, str]


def load(path: Path) -> Run:
    """Read a run.

    Raises:
        NotARun: it is none, or was saved without its rounds.

    """
    content = _read(path)
    try:
        return Run(tuple(lines(content["benchmarks"])), dict(_facts(content)))
    except NoData as error:
        raise NotARun(f"{path}: {error}") from None
    except (KeyError, TypeError) as error:
        raise NotARun(f"{path} is not a run of bench/micro: {error!r} is missing or wrong") from None


def trim(path: Path, target: Path) -> None:
    """Write a run without what nobody reads again: the host's name, CPU flags, options; small enough to keep.

    It is still a file of pytest-benchmark's, for `load` and for --benchmark-compare.

    Raises:
        NotARun: it is none.

    """
    content = _read(path)
    for benchmark in content["benchmarks"]:
        del benchmark["options"], benchmark["params"]
        for part, key in ((benchmark["stats"], "data"), (benchmark["extra_info"], "reference_s")):
            part[key] = [round(seconds, _DIGITS) for seconds in part[key]]
    machine = content["machine_info"]
    kept = {key: machine[key] for key in _MACHINE} | {"cpu": {key: machine["cpu"].get(key) for key in _CPU}}
    content["machine_info"] = kept
    target.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotARun(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or not set(content) >= _REQUIRED:
        raise NotARun(f"{path} is not a file of pytest-benchmark's: make one with --benchmark-json")
    return content


def _facts(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    machine, commit = content["machine_info"], content["commit_info"]
    infos = [benchmark["extra_info"] for benchmark in content["benchmarks"]]
    yield "measured", f"{content['datetime'][:16].replace('T', ' ')} UTC"
    yield "commit", f"{commit['id']}{', with changes' if commit['dirty'] else ''}"
    yield "server", _listed(info.get("server") for info in infos)
    yield "drivers", _listed(info.get("driver") for info in infos)
    yield "libraries", ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    yield "Python", f"{machine['python_implementation']} {machine['python_version']}"
    yield "CPU", f"{machine['cpu']['brand_raw']}, {machine['cpu']['count']} cores"
    yield "cores that the client could use", ", ".join(map(str, machine["cpus"]))
    yield "kernel", f"{machine['system']} {machine['release']}"


def _listed(names: Iterable[str | None]) -> str:
    return ", ".join(sorted({name for name in names if name}))
