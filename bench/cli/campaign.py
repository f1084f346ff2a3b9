"""The verbs that share files: plan, campaign, sync, report."""

import os
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench.analysis.report import write_report
from bench.campaign.invoker import InvokeFailed
from bench.campaign.journal import Journal, NoCampaign
from bench.campaign.runner import CampaignStopped
from bench.campaign.schedule import WINDOW_S, Lane, expected_s, plan_lanes
from bench.campaign.session import NEWEST, open_journal, run_session
from bench.campaign.sync import Synced, sync
from bench.cli.progress import duration, shown
from bench.cli.target import lanes_of, load, make_functions, target_of, variables_set
from bench.lab.aws import Freeze
from bench.lab.mysql import ServerOptions
from bench.lab.platform import fidelity_notes
from bench.lab.proxy import ProxySettings
from bench.lab.stack import running_stack
from bench.store import Store, open_store

STORE = "runs/store"  # below the current directory, like everything that a campaign writes
SPARE_CONNECTIONS = 64  # of the server's limit: the proxy's idle ones, the sampler's, the administrator's
FILE = click.argument("file", metavar="FILE")


@click.command()
@FILE
def plan(file: str) -> None:
    """Show the cells of campaign FILE, their order, and the time they will take; runs nothing.

    FILE is a TOML file, or the name of a packaged one (see `poolbench campaigns`).
    """
    loaded = load(file).campaign
    cells = loaded.cells()
    lanes = plan_lanes(loaded, cells)
    repetition = loaded.repetition
    console = Console()
    table = Table("lane", "waits", "cells, in the order of its first round")
    for number, lane in enumerate(lanes):
        table.add_row(str(number), duration(lane.waiting_s), ", ".join(_first_round(lane)))
    console.print(table)
    steps = sum(len(lane.steps) for lane in lanes)
    each = repetition.rounds * repetition.gaps_per_round
    console.print(
        f"{len(cells)} cells on {len(lanes)} lanes, {repetition.rounds} rounds; "
        f"{each} first-after-gap requests in each cell, {each * repetition.replicates} "
        "for each strategy and gap"
    )
    console.print(
        f"{steps} invocations of {loaded.request.requests} requests; expected wall time "
        f"{duration(expected_s(lanes))} (start-up apart, {WINDOW_S * 1000:g} ms assumed for an invocation)"
    )


def _first_round(lane: Lane) -> list[str]:
    return list(dict.fromkeys(step.cell.id for step in lane.steps if step.round == 0))


@click.command()
@FILE
@click.option(
    "--store", "store_url", default=STORE, show_default=True, help="Directory, file:// or s3:// URL for rows."
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Directory for Parquet and report."
)
@click.option(
    "--resume",
    is_flag=False,
    flag_value=NEWEST,
    metavar="[ID]",
    help="Go on with a campaign that was interrupted: the newest of this name, or the one with this ID.",
)
@click.option(
    "--server", help="MySQL server of the lab: a URL, docker, mysqld, mariadbd or apt. [default: first found]"
)
@click.option(
    "--freeze",
    type=click.Choice([kind.value for kind in Freeze]),
    default=Freeze.SIGNAL.value,
    show_default=True,
    help="How environments freeze. With +drop their packets are lost, too, as on a microVM: needs root and a "
    "network of its own, as in: unshare -n sh -c 'ip link set lo up; poolbench campaign ...'",
)
def campaign(
    file: str, store_url: str, out: Path | None, resume: str | None, server: str | None, freeze: str
) -> None:
    """Run campaign FILE, then sync and report it.

    \b
    Ctrl-C stops it cleanly; --resume goes on with the cells that are not finished.
    FILE is a TOML file, or the name of a packaged one (see `poolbench campaigns`).
    """
    loaded = load(file)
    store = open_store(store_url)
    journal = open_journal(loaded, store, resume)
    console = Console()
    began = time.monotonic()
    console.print(f"campaign {journal.campaign}, rows to {store.url}", soft_wrap=True)
    for note in fidelity_notes():
        console.print(f"note: {note}")
    lanes = lanes_of(loaded.campaign)
    try:
        with (
            running_stack(
                lambda endpoints: make_functions(lanes, loaded.campaign.function_timeout_s, endpoints),
                ProxySettings(idle_client_timeout=loaded.campaign.idle_client_timeout_s),
                server=server,
                freeze=Freeze(freeze),
                options=ServerOptions(max_connections=2 * lanes + SPARE_CONNECTIONS),
                say=console.print,
            ) as stack,
            variables_set(stack.environment()),
            shown(console) as on_progress,
        ):
            target = target_of(stack, lanes)
            finished = run_session(
                loaded, journal, target, resume=resume is not None, on_progress=on_progress
            )
    except (CampaignStopped, InvokeFailed, KeyboardInterrupt):
        console.print(
            f"not finished; to go on: poolbench campaign {file} --store {store_url} --resume", soft_wrap=True
        )
        raise
    console.print(f"measured in {duration(finished.wall_s)}")
    directory = out or Path("runs") / journal.campaign
    _describe(console, sync(journal, directory))
    _report(console, [directory], directory)
    console.print(f"all done in {duration(time.monotonic() - began)}")


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
    _describe(Console(), synced)


def _held(store: Store) -> str:
    return f"it holds {', '.join(store.list_folders()) or 'none'}"


def _only_campaign(store: Store) -> str:
    found = store.list_folders()
    if len(found) != 1:
        raise NoCampaign(f"store {store.url}: say which campaign with --campaign; {_held(store)}")
    return found[0]


@click.command()
@click.argument(
    "directories", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="[default: the first directory]"
)
def report(directories: tuple[Path, ...], out: Path | None) -> None:
    """Make the HTML page and figures from synced campaigns in DIRECTORIES, and print the main table."""
    _report(Console(), list(directories), out or directories[0])


def _describe(console: Console, synced: Synced) -> None:
    parts = [f"{synced.rows} rows, {synced.finished_cells} of {synced.cells} cells finished"]
    if synced.uncounted:
        parts.append(f"{synced.uncounted} rows of unfinished attempts are kept but not counted")
    if synced.invalid:
        parts.append(f"{synced.invalid} lines are not rows: see invalid.jsonl")
    console.print("; ".join(parts))


def _report(console: Console, directories: list[Path], out: Path) -> None:
    written = write_report(directories, out)
    # Not wrapped: a table that is wider than the terminal is easier to scroll than to puzzle together.
    console.print("latencies in ms; gaps in idle client timeouts; commands are round trips on the wire")
    console.print(written.text, soft_wrap=True, highlight=False, markup=False)
    console.print(f"report: {os.path.relpath(written.page)}", soft_wrap=True)


COMMANDS = (plan, campaign, sync_command, report)
