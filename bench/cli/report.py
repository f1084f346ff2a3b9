"""`poolbench sync` and `poolbench report`: from a store to tables and charts."""

import os
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from bench.analysis.report import write_report
from bench.campaign.journal import Journal, NoCampaign
from bench.campaign.sync import Synced, sync
from bench.micro.page import write_page
from bench.store import Store, open_store


@click.command(name="sync")
@click.argument("url")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--campaign", "campaign_id", help="Which campaign of the store; needed if it holds several.")
def sync_command(url: str, directory: Path, campaign_id: str | None) -> None:
    """Fetch a campaign's rows from the store at URL into Parquet files in DIRECTORY."""
    store = open_store(url)
    chosen = campaign_id or _only_campaign(store)
    try:
        synced = sync(Journal(store, chosen), directory)
    except KeyError:
        raise NoCampaign(f"store {store.url}: no campaign {chosen!r}; {_held(store)}") from None
    describe(Console(), synced)


def _held(store: Store) -> str:
    return f"it holds {', '.join(store.list_folders()) or 'none'}"


def _only_campaign(store: Store) -> str:
    found = store.list_folders()
    if len(found) != 1:
        raise NoCampaign(f"store {store.url}: say which campaign with --campaign; {_held(store)}")
    return found[0]


@click.command()
@click.argument("places", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="[default: the first place]")
@click.option(
    "--mixed", is_flag=True, help="Take campaigns together whose settings differ, each setting apart."
)
def report(places: tuple[Path, ...], out: Path | None, mixed: bool) -> None:
    """Make the HTML page and figures of what was measured, and print the main table.

    PLACES are directories of synced campaigns, or JSON files of the microbenchmarks.
    """
    console = Console()
    directories = [place for place in places if place.is_dir()]
    for file in (place for place in places if place.is_file()):
        written = write_page(file, out or file.parent)
        _show(console, written.text, written.page)
    if directories:
        show_report(console, directories, out or directories[0], mixed=mixed)


def describe(console: Console, synced: Synced) -> None:
    """Say what a sync brought."""
    parts = [f"{synced.rows} rows, {synced.finished_cells} of {synced.cells} cells finished"]
    if synced.uncounted:
        parts.append(f"{synced.uncounted} rows of unfinished attempts are kept but not counted")
    if synced.invalid:
        parts.append(f"{synced.invalid} lines are not rows: see invalid.jsonl")
    console.print("; ".join(parts))


def show_report(console: Console, directories: Sequence[Path], out: Path, *, mixed: bool = False) -> None:
    """Write the report, print its main table and its place."""
    written = write_report(directories, out, mixed=mixed)
    console.print("latencies in ms; gaps in idle client timeouts; commands are round trips on the wire")
    _show(console, written.text, written.page)


def _show(console: Console, text: str, page: Path) -> None:
    # Not wrapped: a table that is wider than the terminal is easier to scroll than to puzzle together.
    console.print(text, soft_wrap=True, highlight=False, markup=False)
    console.print(f"report: {os.path.relpath(page)}", soft_wrap=True)
