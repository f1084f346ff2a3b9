"""`poolbench plan`: what a campaign would do."""

import click
from rich.console import Console
from rich.table import Table

from poolbench.campaign.plan import Campaign
from poolbench.campaign.schedule import WINDOW_S, Lane, expected_s, plan_bursts, plan_lanes
from poolbench.cli import terminal
from poolbench.cli.aws_plan import show_cost
from poolbench.cli.files import load
from poolbench.cli.options import Verb
from poolbench.cli.progress import duration


@click.command(cls=Verb)
@click.argument("file", metavar="FILE")
@click.option(
    "--target", type=click.Choice(["lab", "aws"]), default="lab", show_default=True, help="aws adds the cost."
)
@click.option("--region", help="Whose prices. [default: AWS_DEFAULT_REGION, the profile's, or us-east-1]")
def plan(file: str, *, target: str, region: str | None) -> None:
    """Show the cells of campaign FILE, their order, and the time they will take; runs nothing.

    FILE is a TOML file, or the name of a packaged one (see `poolbench campaigns`).
    """
    loaded = load(file).campaign
    console = terminal.console()
    if loaded.burst:
        _show_burst(console, loaded)
    else:
        _show_gaps(console, loaded, target)
    for reason in loaded.left_out():
        console.print(f"left out: {reason}")
    if target == "aws":
        show_cost(console, loaded, region)


def _show_burst(console: Console, loaded: Campaign) -> None:
    lane = plan_bursts(loaded, loaded.cells())
    cells = lane.cells
    table = Table("", "cells, in their order", "environments", "threads in each", "requests")
    for number, cell in enumerate(cells, 1):
        requests = cell.environments * cell.threads * loaded.request.requests
        table.add_row(*map(str, (number, cell.id, cell.environments, cell.threads, requests)))
    console.print(table)
    console.print(
        f"{len(cells)} cells, one after the other, on up to {loaded.fleet} environments at once; expected "
        f"wall time {duration(lane.estimate_s)} (start-up and the requests themselves apart)"
    )


def _show_gaps(console: Console, loaded: Campaign, target: str) -> None:
    cells = loaded.cells()
    lanes = plan_lanes(loaded, cells)
    repetition = loaded.repetition
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
    if target == "aws":
        console.print(f"{steps} invocations of {loaded.request.requests} requests")
        return
    console.print(
        f"{steps} invocations of {loaded.request.requests} requests; expected wall time "
        f"{duration(expected_s(lanes))} (start-up apart, {WINDOW_S * 1000:g} ms assumed for an invocation)"
    )


def _first_round(lane: Lane) -> list[str]:
    return list(dict.fromkeys(step.cell.id for step in lane.steps if step.round == 0))
