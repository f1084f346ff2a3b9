"""One self-contained page, with its pictures beside it as files."""

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from bench.analysis import render
from bench.analysis.answer import Answer, answer, cannot_say
from bench.analysis.cautions import cautions
from bench.analysis.comparison import Comparison, compare
from bench.analysis.figures.cliff import cliff
from bench.analysis.figures.connections import connections
from bench.analysis.figures.latency import first_latency
from bench.analysis.load import Dataset, load
from bench.analysis.provenance import flatten
from bench.analysis.settings import Setting, split
from bench.analysis.style import to_svg, write_png
from bench.analysis.tables import MainRow, main_table

PAGE = "report.html"


@dataclass(frozen=True, slots=True)
class Chart:
    """A kind of chart and how to read it."""

    name: str
    title: str
    reading: str
    draw: Callable[[Setting], Figure | None]


CHARTS = (
    Chart(
        "cliff",
        "The cliff: lost requests against the idle gap",
        "Each point is the share of first requests after a gap that failed or hung, with its 95 % Wilson "
        "interval, at the idle time the connection really had. A ring is the second half of the A/A pair. "
        "Flat at zero is good.",
        cliff,
    ),
    Chart(
        "first_latency",
        "The first request after a gap, every one of them",
        "Hollow points reused a pooled connection, filled ones had to open one, crosses were lost. "
        "Read errors and latency together: a lost request is quick, and useless.",
        first_latency,
    ),
    Chart(
        "connections",
        "Open connections over time",
        "What the proxy's clients hold open, by strategy, and what the database has to carry. "
        "Counted by a sampler on its own connection, which is left out.",
        connections,
    ),
)


@dataclass(frozen=True, slots=True)
class Section:
    """What the page says about one setting."""

    setting: Setting
    answer: Answer
    main: tuple[MainRow, ...]
    comparisons: tuple[Comparison, ...]
    cannot_say: tuple[str, ...]
    charts: tuple[tuple[Chart, Markup], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What was written.

    Attributes:
        page: the HTML file.
        figures: the PNG files.
        tables: the main table of each setting, by its name.

    """

    page: Path
    figures: tuple[Path, ...]
    tables: dict[str, tuple[MainRow, ...]]

    @property
    def text(self) -> str:
        """The main tables for a terminal."""
        parts = []
        for name, rows in self.tables.items():
            parts += [name, render.as_text(render.render(render.MAIN, rows, brief=True)), ""]
        return "\n".join(parts)


def write_report(directories: Sequence[Path], out: Path, *, mixed: bool = False) -> Report:
    """Analyse synced campaigns; write `report.html` and `figures/*.png` into `out`.

    Raises:
        CannotLoad: see `load.load`.

    """
    dataset = load(directories, mixed=mixed)
    settings = split(dataset)
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    pictures: list[Path] = []
    sections = []
    for number, setting in enumerate(settings):
        prefix = f"{number + 1}-" if len(settings) > 1 else ""
        sections.append(_section(dataset, setting, folder, prefix, pictures))
    page = out / PAGE
    page.write_text(_page(dataset, sections), encoding="utf-8")
    return Report(page, tuple(pictures), {section.setting.name: section.main for section in sections})


def _section(dataset: Dataset, setting: Setting, folder: Path, prefix: str, pictures: list[Path]) -> Section:
    found = answer(setting)
    charts = []
    for chart in CHARTS:
        figure = chart.draw(setting)
        if figure is None:
            continue
        pictures.append(folder / f"{prefix}{chart.name}.png")
        write_png(figure, pictures[-1])
        # Drawn by matplotlib from numbers and checked names, with text escaped: safe to embed as it is.
        charts.append((chart, Markup(to_svg(figure))))  # noqa: S704
    return Section(
        setting,
        found,
        main_table(setting),
        compare(setting),
        tuple(cannot_say(setting, dataset.headers, found)),
        tuple(charts),
    )


def _page(dataset: Dataset, sections: Sequence[Section]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bench.analysis", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"ms": render.milliseconds, "percent": render.percent, "number": render.number}
    return environment.get_template("report.html.j2").render(
        sections=sections,
        headers=dataset.headers,
        provenance=[dict(_provenance(header.content)) for header in dataset.headers],
        cautions=cautions(dataset, [section.setting for section in sections]),
        is_local=any(header.is_local for header in dataset.headers),
        rows=len(dataset.rows),
        uncounted=int((~dataset.rows["counted"]).sum()),
        render=render,
    )


def _provenance(content: dict[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in content.items():
        if key in ("cells", "file_text", "schema", "sessions"):
            continue
        if key.endswith("_wall_ns") and isinstance(value, int):
            moment = datetime.datetime.fromtimestamp(value / 1e9, datetime.UTC)
            yield key.removesuffix("_wall_ns"), f"{moment:%Y-%m-%d %H:%M:%S} UTC"
        elif isinstance(value, dict):
            yield from flatten(value, f"{key}.").items()
        else:
            yield key, value
