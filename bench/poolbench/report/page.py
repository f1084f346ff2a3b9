"""What every report's page is made with: templates, pictures, provenance."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from poolbench.report.style import to_svg, write_png
from poolbench.report.tables import MainRow
from poolbench.typed import flatten

PAGE, SUMMARY = "report.html", "summary.json"


@dataclass(frozen=True, slots=True)
class Report:
    """What was written.

    Attributes:
        page: the HTML file.
        figures: the PNG files.
        text: the main tables for a terminal.
        warnings: what asks for care, a line each; the page says what to do about it.
        tables: of gaps, the main table of each setting, by its name.

    """

    page: Path
    figures: tuple[Path, ...]
    text: str
    warnings: tuple[str, ...]
    tables: Mapping[str, tuple[MainRow, ...]] = field(default_factory=dict)


class Pictures:
    """Writes each figure as a file and hands it back for the page."""

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


def template(name: str) -> jinja2.Template:
    """One of the templates beside this module."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("poolbench.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def told_provenance(content: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """What a header says, as the page shows it."""
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
