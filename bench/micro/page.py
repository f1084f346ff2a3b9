"""What a saved run says: a page, a file of Markdown, and the short table of README."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import jinja2

from micro.cases import A_AGAINST_A, Group
from micro.summary import COLUMNS, BenchmarkLine, Run, as_text, by_group, load, microseconds, trim
from poolbench.report import render
from poolbench.report.render import TableColumn

_TEMPLATES = ("micro", "poolbench.report")
PAGE, SUMMARY, TRIMMED = "micro.html", "summary.md", "benchmark.json"

# What most readers come for, in this order and these words.
_BRIEF: Mapping[tuple[Group, str], str] = MappingProxyType(
    {
        (Group.COMMAND, "ping"): "ping",
        (Group.REQUEST, "queuepool"): "warm request, default pool",
        (Group.REQUEST, "autocommit"): "warm request, AUTOCOMMIT and no ROLLBACK on return",
        (Group.REQUEST, "pre_ping"): "warm request, pre-ping",
        (Group.REQUEST, "nullpool"): "warm request, NullPool",
        (Group.PATH, "queuepool-direct-+1 ms"): "the same over 1 ms of round-trip time, default pool",
        (Group.PATH, "pre_ping-direct-+1 ms"): "the same over 1 ms of round-trip time, pre-ping",
        (Group.PATH, "nullpool-direct-+1 ms"): "the same over 1 ms of round-trip time, NullPool",
        (Group.NEW_ENGINE, "queuepool"): "first request of a new engine",
        (Group.RECOVERY, "pre_ping"): "request after a kill, pre-ping",
        (Group.RECOVERY, "queuepool, sent again"): "request after a kill, sent again",
        (Group.CONNECT, "PyMySQL-plain"): "connect, no TLS",
        (Group.CONNECT, "PyMySQL-TLS, shared context"): "connect, TLS with one shared context",
        (Group.CONNECT, "PyMySQL-TLS, driver's own context"): "connect, TLS as PyMySQL does it by default",
    }
)
_BRIEF_COLUMNS: Sequence[TableColumn[BenchmarkLine]] = (
    TableColumn("", "", "", lambda line: _BRIEF[Group(line.group), line.name], is_name=True),
    TableColumn(
        "", "median, µs", "",
        lambda line: microseconds(line.seconds.median.value),
        lambda line: render.positive_interval(line.seconds.median, microseconds),
    ),
    TableColumn(
        "", "p99, µs", "",
        lambda line: microseconds(line.seconds.p99.value),
        lambda line: render.positive_interval(line.seconds.p99, microseconds),
    ),
    COLUMNS[-1],
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        page: the HTML file.
        text: its tables for a terminal.

    """

    page: Path
    text: str


def write_page(file: Path, out: Path) -> Written:
    """Show the run that pytest-benchmark saved in `file` as `micro.html` in `out`.

    Raises:
        NotARun: the file does not hold a run.

    """
    run = load(file)
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package, ".") for package in _TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("page.html.j2").render(
        run=run,
        brief=render.render(_BRIEF_COLUMNS, _brief(run)),
        noise=_noise(run),
        tables=[(group, render.render(COLUMNS, members)) for group, members in by_group(run.lines)],
    )
    out.mkdir(parents=True, exist_ok=True)
    page = out / PAGE
    page.write_text(html, encoding="utf-8")
    return Written(page, as_text(run.lines))


def keep(file: Path, out: Path) -> None:
    """Keep a run in `out`: `benchmark.json`, without what nobody reads again, and `summary.md`.

    Raises:
        NotARun: `file` does not hold a run.

    """
    run = load(file)
    out.mkdir(parents=True, exist_ok=True)
    trim(file, out / TRIMMED)
    parts = ["# What a checkout costs", "\n".join(f"- {name}: {fact}" for name, fact in run.facts.items())]
    if noise := _noise(run):
        parts.append(f"The same thing measured twice differed by a ratio of {noise}.")
    for group, members in by_group(run.lines):
        parts += [f"## {group}", render.as_markdown(render.render(COLUMNS, members))]
    (out / SUMMARY).write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def readme_table(file: Path) -> str:
    """The short table in Markdown: microseconds with their intervals, and wire commands.

    Raises:
        NotARun: `file` does not hold a run.

    """
    return render.as_markdown(render.render(_BRIEF_COLUMNS, _brief(load(file))))


def _brief(run: Run) -> list[BenchmarkLine]:
    found = {(line.group, line.name): line for line in run.lines}
    return [found[key] for key in _BRIEF if key in found]


def _noise(run: Run) -> str:
    """Ratio of the A/A pair with its interval; empty if it was not measured."""
    ratios = [line.ratio for line in run.lines if (line.group, line.name) == (Group.SELF, A_AGAINST_A)]
    return "".join(
        f"{render.number(ratio.value)} ({render.interval(ratio, render.number)})" for ratio in ratios if ratio
    )
