"""`poolbench doctor`: is everything there, and is anything left over?"""

import platform
import shutil

import click
from rich.console import Console

from bench.aws.account import open_account
from bench.aws.deployed import STACK
from bench.cli.aws_doctor import show_inventory
from bench.cli.options import STORE, refuse_given
from bench.lab.leftovers import find_leftovers
from bench.lab.mysql.docker import engine_runs
from bench.lab.platform import IS_LINUX, fidelity_notes
from bench.store import FileStore, open_store


@click.command()
@click.option("--clean", is_flag=True, help="Kill and remove what is left over.")
@click.option(
    "--aws", is_flag=True, help="Look at the stack on AWS instead: state, cost, what was left over."
)
@click.option(
    "--store", "store_url", default=STORE, show_default=True, help="Where to look for halves of objects, too."
)
@click.option("--stack", default=STACK, show_default=True, help="Name of the stack on AWS.")
@click.option("--region", help="Of the stack on AWS. [default: AWS_DEFAULT_REGION, or the profile's]")
@click.pass_context
def doctor(
    context: click.Context, *, clean: bool, store_url: str, aws: bool, stack: str, region: str | None
) -> None:
    """Say what this machine has for the lab, and find what was left behind when one was cut off.

    Exits with 1 if something is left over and --clean was not given.
    """
    refuse_given(
        *((("--clean", "--store"), "not with --aws") if aws else (("--stack", "--region"), "only with --aws"))
    )
    console = Console()
    if aws:
        context.exit(0 if show_inventory(console, open_account(region), stack) else 1)
    console.print(f"Python {platform.python_version()} on {platform.platform()}")
    servers = [name for name in ("mysqld", "mariadbd") if shutil.which(name)]
    ways = [
        *(["a Docker engine"] if engine_runs() else []),
        *servers,
        *(["apt, into a private directory"] if shutil.which("apt-get") else []),
    ]
    console.print(f"database server from: {', '.join(ways) or 'nowhere: name one with --server'}")
    for note in fidelity_notes():
        console.print(f"note: {note}")
    leftovers = find_leftovers() if IS_LINUX else []
    for leftover in leftovers:
        console.print(f"left over: {leftover.folder}, {len(leftover.processes)} processes", soft_wrap=True)
        if clean:
            leftover.clean()
            console.print("  removed")
    store = open_store(store_url)
    halves = store.abandoned() if isinstance(store, FileStore) else []
    for half in halves:
        console.print(f"left over: {half}, of an object that was never stored", soft_wrap=True)
        if clean:
            half.unlink(missing_ok=True)
            console.print("  removed")
    if not leftovers and not halves:
        console.print("nothing is left over")
    elif not clean:
        console.print("to remove it: poolbench doctor --clean")
        context.exit(1)
