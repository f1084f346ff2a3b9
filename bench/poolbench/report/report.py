"""One self-contained page, with its pictures beside it as files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from poolbench.report import columns, render
from poolbench.report.answer import Answer, answer, cannot_say
from poolbench.report.burst_report import write_burst_report
from poolbench.report.bursts import burst_table, is_burst
from poolbench.report.cautions import Finding, cautions, told
from poolbench.report.charts import CHARTS, Chart
from poolbench.report.drivers import commands_by_driver
from poolbench.report.errors import Error, errors
from poolbench.report.figures.matrix import matrix
from poolbench.report.headlines import choices, headlines, safe_everywhere
from poolbench.report.load import Dataset, load
from poolbench.report.page import PAGE, SUMMARY, Pictures, Report, template, told_provenance
from poolbench.report.settings import Setting, split, varying
from poolbench.report.summary import USED, plain, records, summarise
from poolbench.report.tables import MainRow, main_table
from poolbench.report.watched import METRICS, watched

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
    out.mkdir(parents=True, exist_ok=True)
    (out / SUMMARY).write_text(json.dumps(summary_of(dataset), indent=1) + "\n", encoding="utf-8")
    if is_burst(dataset):
        return write_burst_report(dataset, out)
    settings = split(dataset)
    pictures = Pictures(out / "figures")
    overview = matrix(settings)
    overview_svg = pictures.add(overview, "matrix") if overview else None
    sections = [
        _section(dataset, settings, setting, pictures, f"{number}-" if len(settings) > 1 else "")
        for number, setting in enumerate(settings, 1)
    ]
    page = out / PAGE
    found = cautions(dataset, [(section.setting, section.answer.comparisons) for section in sections])
    page.write_text(_page(dataset, sections, overview_svg, found), encoding="utf-8")
    tables = {section.setting.name: section.main for section in sections}
    return Report(page, tuple(pictures.written), _as_text(tables), told(found), tables)


def summary_of(dataset: Dataset) -> dict[str, Any]:
    """What `summary.json` holds: point figures, numbers to six digits, None where there is none."""
    campaigns = [header.campaign for header in dataset.headers]
    if is_burst(dataset):
        return {"campaigns": campaigns, "bursts": [plain(asdict(row)) for row in burst_table(dataset)]}
    tables = {setting.name: summarise(setting.rows[list(USED)]) for setting in split(dataset)}
    return {"campaigns": campaigns, "settings": {name: records(table) for name, table in tables.items()}}


def _as_text(tables: Mapping[str, Sequence[MainRow]]) -> str:
    parts = [
        f"{name}\n\n{render.as_text(render.render(columns.MAIN, rows))}\n" for name, rows in tables.items()
    ]
    return "\n".join(parts)


def _section(
    dataset: Dataset, settings: Sequence[Setting], setting: Setting, pictures: Pictures, prefix: str
) -> Section:
    found = answer(setting)
    charts = []
    # The twin's and the control's cells may have been the first to finish.
    for chart in CHARTS if setting.strategies and len(settings) <= _CHARTED else ():
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


def _page(
    dataset: Dataset, sections: Sequence[Section], overview: Markup | None, cautioned: Sequence[Finding]
) -> str:
    found = [(section.setting, section.answer) for section in sections]
    return template("report.html.j2").render(
        sections=sections,
        safe_everywhere=safe_everywhere(found),
        overview=overview,
        commands=commands_by_driver(found),
        headlines=headlines(found),
        choices=choices([one for _, one in found]),
        headers=dataset.headers,
        provenance=[dict(told_provenance(header.content)) for header in dataset.headers],
        cautions=cautioned,
        is_local=any(header.is_local for header in dataset.headers),
        rows=len(dataset.rows),
        uncounted=int((~dataset.rows["counted"]).sum()),
        metrics=render.render(METRICS, watched(dataset.cloudwatch)),
        render=render,
        columns=columns,
    )
