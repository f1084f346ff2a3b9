"""`poolbench readme`: the parts of README that come from the results."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from micro.page import TRIMMED, readme_table
from poolbench.cli.options import Verb
from poolbench.function.strategies import STRATEGIES
from poolbench.report import columns, overview, render
from poolbench.report.load import load
from poolbench.report.metrics.assessment import AssessedCampaign, assess
from poolbench.report.metrics.bursts import BurstRow, burst_table, is_burst
from poolbench.report.metrics.overhead import Overhead
from poolbench.report.page import write_report
from poolbench.report.scenarios import split

ANSWER, RESULTS, END = "<!-- poolbench:answer -->", "<!-- poolbench:results -->", "<!-- poolbench:end -->"


@dataclass(frozen=True, slots=True)
class Block:
    """Text about one directory, and its campaign for the answer if it is about gaps."""

    text: str
    campaign: AssessedCampaign | None = None


@click.command(cls=Verb)
@click.argument(
    "directories", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--file", "readme", type=click.Path(exists=True, dir_okay=False, path_type=Path), default="README.md"
)
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if the text is out of date.")
@click.pass_context
def readme(context: click.Context, directories: tuple[Path, ...], readme: Path, check: bool) -> None:
    """Write the answer and the results of the campaigns in DIRECTORIES between README's markers.

    Also renews their pages and charts.
    """
    try:
        text = readme.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise click.UsageError(f"{readme}: not a text file") from None
    for marker in (ANSWER, RESULTS):
        if END not in text.partition(marker)[2]:
            raise click.ClickException(f"{readme} has no line {marker} with a line {END} after it")
    blocks = []
    for directory in directories:
        if not check and not (directory / TRIMMED).exists():
            write_report([directory], directory)
        blocks.append(_block(directory, readme.parent))
    campaigns = [block.campaign for block in blocks if block.campaign]
    parts = {ANSWER: overview.of_campaigns(campaigns), RESULTS: "\n\n".join(block.text for block in blocks)}
    made = _filled(text, parts)
    if not check:
        readme.write_text(made, encoding="utf-8")
    elif made != text:
        places = " ".join(map(str, directories))
        click.echo(f"{readme} does not match the results: run poolbench readme {places}", err=True)
        context.exit(1)


def _filled(text: str, parts: Mapping[str, str]) -> str:
    for marker, part in parts.items():
        before, _, rest = text.partition(marker)
        text = f"{before}{marker}\n{render.inert(part)}\n{END}{rest.partition(END)[2]}"
    return text


def _block(directory: Path, base: Path) -> Block:
    """The campaign's purpose, its results and its picture."""
    if (directory / TRIMMED).exists():
        return Block(f"### What a checkout costs\n\n{readme_table(directory / TRIMMED)}")
    (header,) = (dataset := load([directory])).headers
    name, figures = header.name, Path(os.path.relpath(directory, base)) / "figures"

    def shown(picture: str, what: str, *found: str) -> str:
        image = f"![{what}]({(figures / picture).as_posix()})"
        return "\n\n".join([f"### {name}", header.description, *found, image])

    if is_burst(dataset):
        most = render.render(columns.BURSTS, _most_at_once(burst_table(dataset)))
        return Block(
            shown(
                "concurrency.png",
                "Open connections against concurrent environments",
                render.as_markdown(most),
            )
        )
    campaign = AssessedCampaign(name, tuple((scenario, assess(scenario)) for scenario in split(dataset)))
    if len(campaign.found) > 1:
        found = overview.of_scenarios(campaign.found)
        return Block(shown("matrix.png", "Failed requests by strategy and failure", found), campaign)
    words = [_safe(campaign.overheads)]
    if campaign.compares_overhead:
        words.append(render.as_markdown(render.render(columns.OVERHEADS, campaign.overheads)))
    return Block(shown("cliff.png", "Failed requests against idle time, by strategy", *words), campaign)


def _most_at_once(bursts: Sequence[BurstRow]) -> list[BurstRow]:
    most = max(burst.environments for burst in bursts)
    return [burst for burst in bursts if burst.environments == most and burst.label in STRATEGIES]


def _safe(overheads: Sequence[Overhead]) -> str:
    safe = [one for one in overheads if one.is_safe]
    if not safe:
        return "Every strategy failed at least one request."
    gaps = min(one.failed_after.n for one in safe)
    names = ", ".join(f"`{one.label}`" for one in safe)
    return f"No failed request after at least {gaps} gaps longer than the timeout: {names}."
