"""`poolbench sync` and `poolbench report`: from a store to tables and charts."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from poolbench.campaign.journal import Journal
from poolbench.campaign.sync import Synced, publish, sync
from poolbench.cli import terminal
from poolbench.cli.metrics import sync_cloudwatch
from poolbench.cli.options import Verb
from poolbench.cli.places import NoPlace, fetch, find, writing
from poolbench.report.page import write_report
from poolbench.store import open_store


@click.command(name="sync", cls=Verb)
@click.argument("url")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--campaign", help="Which campaign of the store; needed if it holds several.")
@click.option(
    "--parquet",
    metavar="URL",
    help="Also put the rows into this store, by campaign; s3://BUCKET/parquet is what Athena reads.",
)
def sync_command(url: str, directory: Path, campaign: str | None, parquet: str | None) -> None:
    """Fetch a campaign's rows from the store at URL into Parquet files in DIRECTORY."""
    console = terminal.console()
    with writing(directory):
        synced = sync(find(url, campaign), directory)
    _describe(console, synced)
    sync_cloudwatch(console, directory)
    if parquet:
        store = open_store(parquet)
        console.print(f"{store.url}/{publish(directory, store)}", soft_wrap=True)


@click.command(cls=Verb)
@click.argument("places", nargs=-1, required=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="[default: the first place]")
@click.option("--campaign", help="Which campaign of a store; needed if it holds several.")
@click.option(
    "--mixed", is_flag=True, help="Take campaigns together whose settings differ, each setting apart."
)
def report(places: tuple[str, ...], out: Path | None, campaign: str | None, *, mixed: bool) -> None:
    """Make the HTML page and figures of what was measured, and print the main table.

    PLACES are directories of synced campaigns, stores (s3:// and file:// URLs, directories) that are synced
    to runs/ first, or JSON files of the microbenchmarks.
    """
    console = terminal.console()
    saved = [Path(place) for place in places if Path(place).is_file()]
    for file in saved:
        from micro.page import write_page  # noqa: PLC0415 (only a checkout has it)

        written = write_page(file, out or file.parent)
        _show(console, written.text, written.page)
    directories = [_of_one(fetch(place, campaign)) for place in places if Path(place) not in saved]
    if directories:
        show_report(console, directories, out or directories[0], mixed=mixed)


def _of_one(directory: Path) -> Path:
    """Return the directory of a campaign; refuse a directory of several, which need not belong together."""
    if (directory / "header.json").exists():
        return directory
    found = ", ".join(sorted(str(header.parent) for header in directory.glob("*/header.json")))
    raise NoPlace(
        f"{directory} is not a campaign's directory: name the campaigns to report together; it has {found}"
    )


def sync_and_report(console: Console, journal: Journal, directory: Path) -> None:
    """Sync a measured campaign into a directory and report it; if that fails, print the command for it."""
    try:
        with writing(directory):
            synced = sync(journal, directory)
        _describe(console, synced)
        sync_cloudwatch(console, directory)
        show_report(console, [directory], directory)
    except BaseException:  # Ctrl-C, too
        again = shlex.join(["poolbench", "report", journal.store.url, "--campaign", journal.campaign])
        console.print(
            f"Measurement complete; rows are in {journal.store.url}; report: {again}", soft_wrap=True
        )
        raise


def _describe(console: Console, synced: Synced) -> None:
    """Print what a sync brought."""
    parts = [f"{synced.rows} rows, {synced.finished_cells} of {synced.cells} cells finished"]
    if synced.uncounted:
        parts.append(f"{synced.uncounted} rows of unfinished attempts are kept but not counted")
    if synced.invalid:
        parts.append(f"{synced.invalid} lines are not rows: see invalid.jsonl")
    console.print("; ".join(parts))


def show_report(console: Console, directories: Sequence[Path], out: Path, *, mixed: bool = False) -> None:
    """Write the report, print its main table and where it is."""
    with writing(out):
        written = write_report(directories, out, mixed=mixed)
    console.print("latencies in ms; gaps ÷ idle client timeout; commands as sent on the wire")
    _show(console, written.text, written.page, written.warnings)


def _show(console: Console, text: str, page: Path, warnings: Sequence[str] = ()) -> None:
    # Not wrapped: a table wider than the terminal is easier to scroll than to piece together.
    console.print(text, soft_wrap=True, highlight=False, markup=False)
    for warning in warnings:
        console.print(f"warning: {warning}", soft_wrap=True, highlight=False, markup=False)
    if warnings:
        console.print("advice for each warning is in the report")
    console.print(f"report: {os.path.relpath(page)}", soft_wrap=True)
