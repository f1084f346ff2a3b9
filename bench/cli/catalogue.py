"""What there is to choose from: strategies and campaign files."""

import click
from rich.console import Console
from rich.table import Table

from bench.campaign.plan import CampaignFile, packaged
from bench.function.strategies import STRATEGIES
from bench.lab.proxy import DESCRIPTIONS
from bench.lab.stack import STANDING


@click.command()
def strategies() -> None:
    """List the pool strategies: what each is for, its price, and where it fails."""
    table = Table("strategy", "what it is for", "its price", "where it loses a request", show_lines=True)
    for strategy in STRATEGIES.values():
        table.add_row(strategy.name, strategy.purpose, strategy.price, strategy.fails)
    Console().print(table)


@click.command()
def failures() -> None:
    """List the ways in which a connection dies in the lab, and what each stands for."""
    table = Table("failure", "what the proxy does", "what it stands for", "in campaigns", show_lines=True)
    for failure, description in DESCRIPTIONS.items():
        table.add_row(failure, description.does, description.stands_for, "yes" if failure in STANDING else "")
    Console().print(table)


@click.command()
def campaigns() -> None:
    """List the campaign files that come with poolbench."""
    table = Table("campaign", "what it is for", "idle client timeout", "strategies", "gaps / timeout")
    for name in packaged():
        campaign = CampaignFile.load(name).campaign
        factors = campaign.factors
        table.add_row(
            name,
            campaign.description,
            f"{campaign.idle_client_timeout_s:g} s",
            str(len(factors.strategies)),
            ", ".join(f"{gap:g}" for gap in factors.gaps),
        )
    Console().print(table)
