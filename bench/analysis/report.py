"""One self-contained page, with its pictures beside it as files."""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from bench.analysis import columns, render
from bench.analysis.answer import Answer, answer, cannot_say
from bench.analysis.cautions import cautions
from bench.analysis.charts import CHARTS, Chart
from bench.analysis.errors import Error, errors
from bench.analysis.figures.matrix import matrix
from bench.analysis.load import Dataset, load
from bench.analysis.provenance import flatten
from bench.analysis.settings import Setting, split, varying
from bench.analysis.style import to_svg, write_png
from bench.analysis.summary import USED, summarise, write_summary
from bench.analysis.tables import MainRow, main_table

PAGE, SUMMARY = "report.html", "summary.json"
_CHARTED = 4  # settings; where there are more, the page is a matrix with tables


@dataclass(frozen=True, slots=True)
class Section:
    """What the page says about one setting."""

    title: str
    setting: Setting
    answer: Answer
    errors: tuple[Error, ...]
    main: tuple[MainRow, ...]
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
        parts = [
            f"{name}\n\n{render.as_text(render.render(columns.MAIN, rows))}\n"
            for name, rows in self.tables.items()
        ]
        return "\n".join(parts)


class _Pictures:
    """Writes each figure as a file and hands it back for the page."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.written: list[Path] = []

    def add(self, figure: Figure, name: str) -> Markup:
        path = self._folder / f"{name}.png"
        write_png(figure, path)
        self.written.append(path)
        # Drawn by matplotlib, which escapes text: safe to embed as it is.
        return Markup(to_svg(figure, name))  # noqa: S704


def write_report(directories: Sequence[Path], out: Path, *, mixed: bool = False) -> Report:
    """Analyse synced campaigns; write `report.html`, `summary.json` and `figures/*.png`.

    Args:
        directories: of one campaign, or of several that belong together.
        out: where to write; created if need be.
        mixed: take campaigns together even if their settings differ; each setting then gets its section.

    Raises:
        CannotLoad: see `load.load`.

    """
    dataset = load(directories, mixed=mixed)
    settings = split(dataset)
    pictures = _Pictures(out / "figures")
    overview = matrix(settings)
    overview_svg = pictures.add(overview, "matrix") if overview else None
    sections = [
        _section(dataset, settings, setting, pictures, f"{number}-" if len(settings) > 1 else "")
        for number, setting in enumerate(settings, 1)
    ]
    write_summary(
        out / SUMMARY,
        [header.campaign for header in dataset.headers],
        {setting.name: summarise(setting.rows[list(USED)]) for setting in settings},
    )
    page = out / PAGE
    page.write_text(_page(dataset, sections, overview_svg), encoding="utf-8")
    return Report(page, tuple(pictures.written), {section.setting.name: section.main for section in sections})


def _section(
    dataset: Dataset, settings: Sequence[Setting], setting: Setting, pictures: _Pictures, prefix: str
) -> Section:
    found = answer(setting)
    charts = []
    for chart in CHARTS if len(settings) <= _CHARTED else ():
        figure = chart.draw(setting, found)
        if figure is not None:
            charts.append((chart, pictures.add(figure, f"{prefix}{chart.name}")))
    return Section(
        setting.title(varying(settings)) or setting.name,
        setting,
        found,
        errors(setting),
        main_table(setting),
        tuple(cannot_say(setting, dataset.headers, found)),
        tuple(charts),
    )


def _page(dataset: Dataset, sections: Sequence[Section], overview: Markup | None) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bench.analysis", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    compared = [(section.setting, section.answer.comparisons) for section in sections]
    return environment.get_template("report.html.j2").render(
        sections=sections,
        safe_everywhere=_safe_everywhere(sections),
        overview=overview,
        headers=dataset.headers,
        provenance=[dict(_provenance(header.content)) for header in dataset.headers],
        cautions=cautions(dataset, compared),
        is_local=any(header.is_local for header in dataset.headers),
        rows=len(dataset.rows),
        uncounted=int((~dataset.rows["counted"]).sum()),
        render=render,
        columns=columns,
    )


def _safe_everywhere(sections: Sequence[Section]) -> list[str]:
    """Strategies that were measured in every setting and lost no request in any."""
    labels = sections[0].setting.strategies if sections else ()
    return [label for label in labels if all(label in section.answer.safe for section in sections)]


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
