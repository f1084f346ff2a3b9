"""The report: one self-contained HTML page, a summary, and pictures as files beside it."""

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from poolbench.report import answer, columns, render
from poolbench.report.charts.matrix import matrix
from poolbench.report.charts.registry import BURST_CHARTS, CHARTS
from poolbench.report.charts.style import Chart, to_svg, write_png
from poolbench.report.load import Dataset, load
from poolbench.report.metrics.assessment import (
    Assessed,
    Assessment,
    assess,
    rare_failures,
    recommendations,
    safe_everywhere,
)
from poolbench.report.metrics.bursts import burst_table, is_burst, largest
from poolbench.report.metrics.connections import cloudwatch_metrics
from poolbench.report.metrics.failures import ErrorKind, errors, failure_matrix
from poolbench.report.metrics.gaps import SUMMARISED, GapRow, main_table, plain, records, summarise
from poolbench.report.metrics.overhead import by_driver
from poolbench.report.scenarios import Scenario, split, varying
from poolbench.report.warnings import DataWarning, find_warnings
from poolbench.typed import flatten

PAGE, SUMMARY = "report.html", "summary.json"
_CHARTED = 4  # scenarios; a page of more is a matrix with tables


@dataclass(frozen=True, slots=True)
class Report:
    """What was written."""

    page: Path  # the HTML file
    figures: tuple[Path, ...]  # the PNG files
    text: str  # the main tables for a terminal
    warnings: tuple[str, ...]  # a line each; the page has the advice
    # the main table of each scenario by its name; empty for bursts
    tables: Mapping[str, tuple[GapRow, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """The page's part about one scenario."""

    title: str
    scenario: Scenario
    assessment: Assessment
    reasons: tuple[str, ...]
    verdict: str
    errors: tuple[ErrorKind, ...]
    main: tuple[GapRow, ...]
    limitations: tuple[str, ...]
    charts: tuple[tuple[Chart[...], Markup], ...]


class Pictures:
    """Writes each figure as a file and returns it for the page."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.written: list[Path] = []

    def add(self, figure: Figure, name: str) -> Markup:
        """Write `<name>.png`; returns the picture for the page."""
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
        mixed: take campaigns together even if their settings differ; each scenario then gets its section.

    Raises:
        CannotLoad: see `load.load`.

    """
    dataset = load(directories, mixed=mixed)
    out.mkdir(parents=True, exist_ok=True)
    (out / SUMMARY).write_text(json.dumps(summary_of(dataset), indent=1) + "\n", encoding="utf-8")
    pictures = Pictures(out / "figures")
    return (_write_bursts if is_burst(dataset) else _write_gaps)(dataset, out, pictures)


def summary_of(dataset: Dataset) -> dict[str, Any]:
    """What `summary.json` holds: numbers to six digits, None for infinity and NaN."""
    campaigns = [header.campaign for header in dataset.headers]
    if is_burst(dataset):
        return {"campaigns": campaigns, "bursts": [plain(asdict(row)) for row in burst_table(dataset)]}
    tables = {one.name: summarise(one.rows[list(SUMMARISED)]) for one in split(dataset)}
    return {"campaigns": campaigns, "scenarios": {name: records(table) for name, table in tables.items()}}


def _write_gaps(dataset: Dataset, out: Path, pictures: Pictures) -> Report:
    scenarios = split(dataset)
    overview = matrix(failure_matrix(scenarios))
    overview_svg = pictures.add(overview, "matrix") if overview else None
    sections = [
        _section(dataset, scenarios, scenario, pictures, f"{number}-" if len(scenarios) > 1 else "")
        for number, scenario in enumerate(scenarios, 1)
    ]
    found = [(section.scenario, section.assessment) for section in sections]
    warnings = find_warnings(dataset, [(scenario, assessment.comparisons) for scenario, assessment in found])
    page = _write(
        "report.html.j2",
        out,
        dataset,
        warnings,
        sections=sections,
        safe_everywhere=safe_everywhere(found),
        overview=overview_svg,
        commands=_commands_by_driver(found),
        rare_failures=rare_failures(found),
        recommendations=recommendations(found),
    )
    tables = {section.scenario.name: section.main for section in sections}
    return Report(page, tuple(pictures.written), _as_text(tables), _lines(warnings), tables)


def _section(
    dataset: Dataset, scenarios: Sequence[Scenario], scenario: Scenario, pictures: Pictures, prefix: str
) -> Section:
    found = assess(scenario)
    drawn = []
    # The cells of the controls may have been the first to finish.
    for chart in CHARTS if scenario.strategies and len(scenarios) <= _CHARTED else ():
        figure = chart.draw(scenario, found)
        if figure is not None:
            drawn.append((chart, pictures.add(figure, f"{prefix}{chart.name}")))
    return Section(
        scenario.title(varying(scenarios)) or scenario.name,
        scenario,
        found,
        tuple(answer.reasons(found)),
        answer.verdict(found),
        errors(scenario),
        main_table(scenario),
        tuple(answer.limitations(scenario, dataset.headers, found)),
        tuple(drawn),
    )


def _commands_by_driver(found: Assessed) -> render.Table | None:
    """Commands of each strategy with each driver; None for a single driver.

    The first scenario of each driver stands for it, which is that of the campaign's first failure.
    """
    first: dict[str, Assessment] = {}
    for scenario, assessment in found:
        first.setdefault(str(scenario.facts["driver"]), assessment)
    if len(first) < 2:
        return None
    rows = by_driver({driver: assessment.overheads for driver, assessment in first.items()})
    return render.render(columns.drivers(list(first)), rows)


def _as_text(tables: Mapping[str, Sequence[GapRow]]) -> str:
    parts = [
        f"{name}\n\n{render.as_text(render.render(columns.MAIN, rows))}\n" for name, rows in tables.items()
    ]
    return "\n".join(parts)


def _write_bursts(dataset: Dataset, out: Path, pictures: Pictures) -> Report:
    rows = burst_table(dataset)
    drawn = [(chart, chart.draw(dataset, rows)) for chart in BURST_CHARTS]
    table = render.render(columns.BURSTS, rows)
    warnings = find_warnings(dataset, ())
    page = _write(
        "burst.html.j2",
        out,
        dataset,
        warnings,
        largest=largest(rows),
        table=table,
        answer=answer,
        charts=[(chart, pictures.add(figure, chart.name)) for chart, figure in drawn if figure],
        errors=[error for scenario in split(dataset) for error in errors(scenario)],
        limitations=tuple(answer.burst_limitations(dataset)),
    )
    return Report(page, tuple(pictures.written), f"{render.as_text(table)}\n", _lines(warnings))


def _lines(found: Sequence[DataWarning]) -> tuple[str, ...]:
    return tuple(one.text for one in found)


def _write(name: str, out: Path, dataset: Dataset, warnings: Sequence[DataWarning], **parts: Any) -> Path:
    """Fill a template with its parts and with what all pages show."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("poolbench.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(name).render(
        headers=dataset.headers,
        provenance=[dict(_provenance(header.as_dict())) for header in dataset.headers],
        warnings=warnings,
        is_local=any(header.target.is_local for header in dataset.headers),
        rows=len(dataset.rows),
        uncounted=int((~dataset.rows["counted"]).sum()),
        metrics=render.render(columns.CLOUDWATCH, cloudwatch_metrics(dataset.cloudwatch)),
        render=render,
        columns=columns,
        **parts,
    )
    page = out / PAGE
    page.write_text(text, encoding="utf-8")
    return page


def _provenance(content: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """The parts of a header that the page shows."""
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
