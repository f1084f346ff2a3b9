"""What a campaign would take and cost on AWS; nothing is asked of AWS, and nothing needs to be there."""

from collections.abc import Sequence

import boto3
from rich.console import Console
from rich.table import Table

from bench.aws.cost import SETUP_H, StackSize, hourly, of_campaign, total
from bench.aws.fit import check_history
from bench.aws.lane_plan import TURN_S, planned_s
from bench.aws.prices import Prices
from bench.campaign.schedule import Lane
from bench.campaign.strict import BadCampaign
from bench.cli.progress import duration

FALLBACK_REGION = "us-east-1"


def show_cost(console: Console, lanes: Sequence[Lane], region: str | None) -> None:
    """Print the duration and the bill, for a stack as the template makes it by default.

    Raises:
        NoPrice: the price table lacks the region.
        BadCampaign: it is too long for one execution of the state machine, or the template lacks lanes.

    """
    check_history(lanes)
    region = region or boto3.Session().region_name or FALLBACK_REGION
    prices, size = Prices.of(region), StackSize()
    if len(lanes) > size.lanes:
        raise BadCampaign(
            f"repetition.lanes: {len(lanes)} are needed, and infra/template.yaml has {size.lanes}"
        )
    items = of_campaign(lanes, size, prices)
    table = Table("on AWS", "quantity", "unit", "USD")
    for item in items:
        table.add_row(item.what, f"{item.quantity:,.2f}", item.unit, f"{item.usd:.4f}")
    table.add_section()
    table.add_row("in all", "", "", f"{total(items):.2f}")
    console.print(table)
    console.print(
        f"{duration(planned_s(lanes))} with {TURN_S:g} s assumed for an invocation, and {SETUP_H:g} h to set "
        f"up and remove the stack, which costs {total(hourly(size, prices)):.3f} USD an hour"
    )
    console.print(f"prices of {region}, checked on {prices.checked}, without free tiers and taxes")
