"""What a campaign would take and cost on AWS; nothing is asked of AWS, and nothing needs to be there."""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from poolbench.aws.account import open_session
from poolbench.aws.cost import SETUP_H, Prices, StackSize, Usage, bill, hourly, total
from poolbench.aws.fit import check_history
from poolbench.aws.lane_plan import TURN_S
from poolbench.campaign import BadCampaign
from poolbench.campaign.plan import Campaign
from poolbench.campaign.schedule import plan_bursts, plan_lanes
from poolbench.cli.progress import duration
from poolbench.model.cell import Cell

FALLBACK_REGION = "us-east-1"


def show_cost(console: Console, campaign: Campaign, region: str | None) -> None:
    """Print the duration and the bill, for a stack as the template makes it but for the fleet's size.

    Raises:
        BadRequest: there is no such region, or no such profile.
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
