"""`poolbench doctor`: is everything there, and is anything left over?"""

import platform
import shutil
from collections.abc import Callable, Iterator
from functools import partial

import click
from rich.console import Console

from poolbench.aws.account import Account, open_account
from poolbench.aws.deployed import STACK
from poolbench.aws.inventory import take
from poolbench.cli import terminal
from poolbench.cli.options import STORE, Verb, refuse_given
from poolbench.lab.leftovers import find_leftovers
from poolbench.lab.mysql import docker
from poolbench.lab.platform import fidelity_notes
from poolbench.store import FileStore, open_store


def show_inventory(console: Console, account: Account, stack: str, *, kept: bool = False) -> bool:
    """Print what there is; whether all of it may be.

    Raises:
        AwsFailed: AWS cannot be asked.

    """
    found = take(account, stack, kept=kept)
    for note in found.notes:
        console.print(note, soft_wrap=True)
    for problem in found.problems:
        console.print(f"problem: {problem}", soft_wrap=True)
    if not found.problems:
        console.print("nothing is left over")
    return not found.problems


@click.command(cls=Verb)
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
    console = terminal.console()
    if aws:
        context.exit(0 if show_inventory(console, open_account(region), stack) else 1)
    store = open_store(store_url)
    if not isinstance(store, FileStore):
        raise click.UsageError(f"--store {store.url}: only a directory can hold halves of objects")
    engine = docker.engine_runs()
    console.print(f"Python {platform.python_version()} on {platform.platform()}")
    servers = [name for name in ("mysqld", "mariadbd") if shutil.which(name)]
    ways = [
        *(["a Docker engine"] if engine else []),
        *servers,
        *(["apt, into a private directory"] if shutil.which("apt-get") else []),
    ]
    console.print(f"database server from: {', '.join(ways) or 'nowhere: name one with --server'}")
    for note in fidelity_notes():
        console.print(f"note: {note}")
    found = [*_labs(), *(_containers() if engine else ()), *_halves(store)]
    for what, remove in found:
        console.print(f"left over: {what}", soft_wrap=True)
        if clean:
            remove()
            console.print("  removed")
    if not found:
        console.print("nothing is left over")
    elif not clean:
        console.print("to remove it: poolbench doctor --clean")
        context.exit(1)


# What was left behind, and how to remove it.
_Found = Iterator[tuple[str, Callable[[], object]]]


def _labs() -> _Found:
    for lab in find_leftovers():
        yield f"{lab.folder}, {len(lab.processes)} processes", lab.clean


def _containers() -> _Found:
    for name in docker.abandoned():
        yield f"Docker container {name}", partial(docker.remove, name)


def _halves(store: FileStore) -> _Found:
    for half in store.abandoned():
        yield f"{half}, of an object that was never stored", partial(half.unlink, missing_ok=True)
