"""`poolbench readme`: what README says of the results, from the results."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from bench.analysis import burst_columns, columns, headlines, render
from bench.analysis.answer import answer, as_markdown
from bench.analysis.bursts import burst_table, is_burst
from bench.analysis.load import load
from bench.analysis.report import write_report
from bench.analysis.settings import split
from bench.analysis.tables import main_table
from bench.cli.options import Verb
from bench.function.strategies import STRATEGIES
from bench.micro.page import TRIMMED, readme_table

BEGIN, END = "<!-- poolbench:begin -->", "<!-- poolbench:end -->"


@click.command(cls=Verb)
@click.argument(
    "directories", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--file", "readme", type=click.Path(exists=True, dir_okay=False, path_type=Path), default="README.md"
)
@click.option(
    "--check", is_flag=True, help="Change nothing; exit with 1 if the text is not what it would be."
)
@click.pass_context
def readme(context: click.Context, directories: tuple[Path, ...], readme: Path, check: bool) -> None:
    """Write main tables and cliff charts of the campaigns in DIRECTORIES between README's markers."""
    try:
        text = readme.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise click.UsageError(f"{readme}: not a text file") from None
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise click.ClickException(f"{readme} has no line {BEGIN} with a line {END} after it")
    with tempfile.TemporaryDirectory() as scratch:
        blocks = "\n\n".join(
            # Figures are drawn anew either way; a check throws them away.
            _block(directory, readme.parent, Path(scratch) if check else directory, whole=not number)
            for number, directory in enumerate(directories)
        )
    made = f"{before}{BEGIN}\n{blocks}\n{END}{after}"
    if not check:
        readme.write_text(made, encoding="utf-8")
    elif made != text:
        places = " ".join(map(str, directories))
        click.echo(f"{readme} is not what the results say: run poolbench readme {places}", err=True)
        context.exit(1)


def _block(directory: Path, base: Path, out: Path, *, whole: bool) -> str:
    """One campaign: its prices, its picture and, if it is to be whole, its main table; or microbenchmarks."""
    if (directory / TRIMMED).exists():
        return f"### What a checkout costs\n\n{readme_table(directory / TRIMMED)}"
    figures = write_report([directory], out).figures
    pictures = {picture.stem: directory / picture.relative_to(out) for picture in figures}
    (header,) = (dataset := load([directory])).headers
    parts = [f"### {header.content['name']}", render.inert(header.content["description"])]
    if "matrix" in pictures:
        answers = [(setting, answer(setting)) for setting in split(dataset)]
        picture = _picture(pictures["matrix"], base, "Lost requests by strategy and failure")
        return "\n\n".join([*parts, render.inert(headlines.as_markdown(answers)), picture])
    if is_burst(dataset):
        bursts = render.render(burst_columns.BURSTS, burst_table(dataset))
        return "\n\n".join(
            [
                *parts,
                _picture(pictures["concurrency"], base, "Open connections against environments at once"),
                *_folded(header.content["name"], bursts),
            ]
        )
    (setting,) = split(dataset)
    found = answer(setting)
    rows = [row for row in main_table(setting) if row.label in STRATEGIES]
    return "\n\n".join(
        [
            *parts,
            render.inert(as_markdown(found)),
            render.as_markdown(render.render(columns.PRICES, found.prices)),
            _picture(pictures["cliff"], base, "Lost requests against the idle gap, by strategy"),
            *(_folded(header.content["name"], render.render(columns.MAIN, rows)) if whole else ()),
        ]
    )


def _folded(campaign: str, table: render.Table) -> Sequence[str]:
    summary = f"<details><summary>The main table of {campaign}</summary>"
    return summary, render.as_markdown(table), "</details>"


def _picture(path: Path, base: Path, what: str) -> str:
    return f"![{what}]({Path(os.path.relpath(path, base)).as_posix()})"
