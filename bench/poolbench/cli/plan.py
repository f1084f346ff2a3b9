"""`poolbench plan`: what a campaign would do."""

from collections.abc import Sequence
from dataclasses import replace

import click
from rich.console import Console
from rich.table import Table

from poolbench.aws.account import open_session
from poolbench.aws.cost import SETUP_H, Prices, StackSize, Usage, bill, hourly, total
from poolbench.aws.fit import check_history
from poolbench.aws.lane_plan import TURN_S
from poolbench.campaign import BadCampaign
from poolbench.campaign.plan import Campaign
from poolbench.campaign.schedule import WINDOW_S, Lane, expected_s, plan_bursts, plan_lanes
from poolbench.cli import terminal
from poolbench.cli.options import Verb, load
from poolbench.cli.terminal import duration
from poolbench.model.cell import Cell

FALLBACK_REGION = "us-east-1"


def show_cost(console: Console, campaign: Campaign, region: str | None) -> None:
    """Print the duration and the bill, for a stack as the template makes it but for the fleet's size.

    Raises:
        BadRequest: the region or the profile does not exist.
        NoPrice: the price table lacks it.
        BadCampaign: it is too long for one execution of the state machine, or the template lacks lanes.

    """
    region = open_session(region).region_name or FALLBACK_REGION
    prices, size = Prices.of(region), StackSize()
    lanes = () if campaign.burst else plan_lanes(campaign, campaign.cells())
    check_history(lanes)
    if len(lanes) > size.lanes:
        raise BadCampaign(
            f"repetition.lanes: {len(lanes)} are needed, and infra/template.yaml has {size.lanes}"
        )
    size = replace(size, fleet=max(size.fleet, campaign.fleet))
    usage = usage_of(campaign, campaign.cells())
    items = bill(usage, size, prices)
    table = Table("on AWS", "quantity", "unit", "USD")
    for item in items:
        table.add_row(item.what, f"{item.quantity:,.2f}", item.unit, f"{item.usd:.4f}")
    table.add_section()
    table.add_row("in all", "", "", f"{total(items):.2f}")
    console.print(table)
    assumed = "" if campaign.burst else f" with {TURN_S:g} s assumed for an invocation"
    console.print(
        f"{duration(usage.seconds)}{assumed}, and {SETUP_H:g} h to set up and remove the stack, which costs "
        f"{total(hourly(size, prices)):.3f} USD an hour"
    )
    console.print(f"prices of {region}, as noted on {prices.noted}, without free tiers and taxes")


def usage_of(campaign: Campaign, cells: Sequence[Cell]) -> Usage:
    """What these cells of a campaign use."""
    if campaign.burst:
        return Usage.of_bursts(plan_bursts(campaign, cells).estimate_s, [cell.environments for cell in cells])
    return Usage.of_lanes(plan_lanes(campaign, cells))


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
