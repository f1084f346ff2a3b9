"""What there is to choose from: strategies and campaign files."""

import os
import sys

import click
from rich.table import Column, Table

from poolbench.campaign.file import CampaignFile, packaged
from poolbench.cli.terminal import console
from poolbench.function.drivers import DRIVERS
from poolbench.function.strategies import STRATEGIES
from poolbench.lab.proxy import DESCRIPTIONS, ProxyFault
from poolbench.model.failures import MODES
from poolbench.targets.functions import how_to_install, library_variables


def _table(name: str, *columns: str) -> Table:
    """Names whole, however narrow the terminal: they are there to be copied."""
    rest = (Column(column, overflow="fold") for column in columns)
    return Table(Column(name, no_wrap=True), *rest, show_lines=True)


@click.command()
def strategies() -> None:
    """List the pool strategies: what each is for, its price, and where it fails."""
    table = _table("strategy", "what it is for", "its price", "where it loses a request")
    for strategy in STRATEGIES.values():
        table.add_row(strategy.name, strategy.purpose, strategy.price, strategy.fails)
    console().print(table)


@click.command()
def failures() -> None:
    """List the ways in which a connection dies in the lab, and what each stands for."""
    table = _table("failure", "when", "what happens", "what it stands for")
    for mode in MODES.values():
        if mode.direct:
            table.add_row(mode.name, mode.when, mode.does, mode.stands_for)
        else:
            description = DESCRIPTIONS[ProxyFault(mode.name)]
            table.add_row(mode.name, mode.when, description.does, description.stands_for)
    console().print(table)


@click.command()
def drivers() -> None:
    """List the drivers: how each is used, what is installed of it, and how to install it."""
    table = _table("driver", "SQLAlchemy's name", "event loop", "here")
    sys.path.extend(library_variables()["PYTHONPATH"].split(os.pathsep))
    for driver in DRIVERS.values():
        if driver.installed:
            here = "{version}, {build}".format(**driver.describe())
        else:
            here = f"not installed: {how_to_install(driver.name)}"
        table.add_row(driver.name, driver.scheme, driver.loop, here)
    console().print(table)


@click.command()
def campaigns() -> None:
    """List the campaign files that come with poolbench."""
    table = _table("campaign", "what it is for", "idle client timeout", "strategies", "gaps / timeout")
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
    console().print(table)
