"""`poolbench readme`: what README says of the results, from the results."""

import os
from pathlib import Path

import click

from bench.analysis import columns, render
from bench.analysis.report import write_report
from bench.function.strategies import STRATEGIES

BEGIN, END = "<!-- poolbench:begin -->", "<!-- poolbench:end -->"


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--file", "readme", type=click.Path(exists=True, dir_okay=False, path_type=Path), default="README.md"
)
@click.option(
    "--check", is_flag=True, help="Change nothing; exit with 1 if the text is not what it would be."
)
@click.pass_context
def readme(context: click.Context, directory: Path, readme: Path, check: bool) -> None:
    """Write the main table and the cliff chart of the campaign in DIRECTORY between README's markers."""
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise click.ClickException(f"{readme} has no line {BEGIN} with a line {END} after it")
    made = f"{before}{BEGIN}\n{_block(directory, readme.parent)}\n{END}{after}"
    if not check:
        readme.write_text(made, encoding="utf-8")
    elif made != text:
        click.echo(f"{readme} is not what {directory} says: run poolbench readme {directory}", err=True)
        context.exit(1)


def _block(directory: Path, base: Path) -> str:
    report = write_report([directory], directory)
    parts = ["Latencies in ms, gaps in idle client timeouts; commands are round trips on the wire."]
    for table in report.tables.values():
        rows = [row for row in table if row.label in STRATEGIES]
        parts.append(render.as_markdown(render.render(columns.MAIN, rows)))
    (cliff,) = [picture for picture in report.figures if picture.stem.endswith("cliff")]
    place = Path(os.path.relpath(cliff, base)).as_posix()
    parts.append(f"![Lost requests against the idle gap, by strategy]({place})")
    return "\n\n".join(parts)
