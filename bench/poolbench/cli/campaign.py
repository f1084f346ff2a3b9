"""`poolbench campaign`: its options, and whether it runs in a lab or on AWS."""

from pathlib import Path
from typing import Any

import click

from poolbench.aws.bundle import DEFAULT
from poolbench.aws.deployed import OTHER_LANES, STACK
from poolbench.campaign.session import NEWEST
from poolbench.cli import aws_campaign, lab_campaign
from poolbench.cli.aws_campaign import CLIENT, STEP_FUNCTIONS
from poolbench.cli.options import STORE, CampaignOptions, Finite, Verb, load, refuse_given, server_option
from poolbench.lab.aws import Freeze
from poolbench.targets.faults import check_users_database

FILE = click.argument("file", metavar="FILE")
_OF_ONE = {  # target -> options that mean something there alone
    "lab": ("--store", "--server", "--url", "--bundle", "--freeze"),
    "aws": ("--stack", "--region", "--driver", "--lane", "--max-usd"),
}


@click.command(cls=Verb)
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
@server_option("MySQL server of the lab: a URL, docker, mysqld, mariadbd or apt. [default: first found]")
@click.option(
    "--url",
    envvar="POOLBENCH_URL",
    show_envvar=True,
    help="Measure on your own database, mysql://user:password@host:port/schema (and ?ssl_ca=FILE where it "
    "wants TLS, the PEM file of its certificate's authority): its user, its schema, the "
    "lab's proxy before it. The packaged workloads make a table poolbench_items there; one of your own "
    "(module:function) makes nothing.",
)
@click.option(
    "--failure",
    "failures",
    multiple=True,
    metavar="NAME",
    help="Take this instead of the file's failures (see `poolbench failures`): wait_timeout goes without the "
    "proxy. Can be given several times.",
)
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    metavar="NAME",
    help="Also measure this strategy; package.module:function is your own, which takes a sqlalchemy.URL and "
    "returns an Engine. Can be given several times.",
)
@click.option(
    "--bundle",
    is_flag=False,
    flag_value=str(DEFAULT),
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="[ZIP]",
    help="Run the functions from what `poolbench bundle` made, as they are deployed.",
)
@click.option(
    "--freeze",
    type=click.Choice([kind.value for kind in Freeze]),
    default=Freeze.SIGNAL.value,
    show_default=True,
    help="How environments freeze. With +drop their packets are lost, too, as on a microVM: needs root, and "
    "happens in a network of its own, out of which no other database can be reached.",
)
@click.option(
    "--target",
    type=click.Choice(["lab", "aws"]),
    default="lab",
    show_default=True,
    help="A lab that is started for it, or a stack that is deployed (see infra/README.md).",
)
@click.option("--stack", default=STACK, show_default=True, help="Name of the deployed stack.")
@click.option("--region", help="Of the deployed stack. [default: AWS_DEFAULT_REGION, or the profile's]")
@click.option(
    "--driver",
    type=click.Choice([STEP_FUNCTIONS, CLIENT]),
    default=STEP_FUNCTIONS,
    show_default=True,
    help="Who waits for the gaps on AWS: the deployed state machine, or this machine.",
)
@click.option(
    "--lane",
    type=click.Choice(list(OTHER_LANES)),
    help="Run it on this lane of the stack, not on those that wait side by side: one that connects at init, "
    "or one that is not provisioned. For campaigns of one lane, such as aws-lane.",
)
@click.option("--max-usd", type=Finite(min=0), help="Do not start it on AWS if it costs more.")
def campaign(**given: Any) -> None:
    """Run campaign FILE, then sync and report it.

    \b
    Ctrl-C stops it cleanly; --resume goes on with the cells that are not finished.
    On AWS it goes on without you, and --resume attaches to it again.
    FILE is a TOML file, or the name of a packaged one (see `poolbench campaigns`).
    """
    wanted = CampaignOptions(**given)
    on_aws = wanted.target == "aws"
    refuse_given(_OF_ONE["lab" if on_aws else "aws"], f"not with --target {wanted.target}")
    loaded = load(wanted.file, wanted.strategies, wanted.failures)
    if wanted.url:
        check_users_database(loaded.campaign, wanted.url, wanted.server)
    if on_aws:
        aws_campaign.run_on_aws(loaded, wanted)
    else:
        lab_campaign.run_in_lab(loaded, wanted)
