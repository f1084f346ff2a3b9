"""`poolbench campaign`, in a lab that is started for it: run, sync and report."""

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console

from poolbench.campaign.file import CampaignFile
from poolbench.campaign.header import Different
from poolbench.campaign.journal import Journal
from poolbench.campaign.session import check_idle, open_journal, run_session
from poolbench.cli import terminal
from poolbench.cli.bundle import Code, unpacked
from poolbench.cli.errors import WRONG_INPUT
from poolbench.cli.options import CampaignOptions, given_again
from poolbench.cli.report import sync_and_report
from poolbench.cli.terminal import duration, shown
from poolbench.lab.aws import Freeze
from poolbench.lab.leftovers import running_labs
from poolbench.lab.platform import enter_private_network, fidelity_notes
from poolbench.store import StoreError, open_store
from poolbench.targets import variables_set
from poolbench.targets.lab import LabOptions, check_memory, running_lab

_SECRET = ("--server", "--url")  # may hold a password


def run_in_lab(loaded: CampaignFile, wanted: CampaignOptions) -> None:
    """Run, or go on with, a campaign in a lab of its own.

    Raises:
        BadCampaign: this machine has not the memory for it.
        CampaignStopped: it ended with cells that are not finished, or it is being run already.
        InvokeFailed: the Lambda service stopped answering.
        ServerUnavailable: no database server can be had, or the given one does not answer.
        StoreError: the store cannot be written to.

    """
    store = open_store(wanted.store_url)
    journal = open_journal(loaded, store, wanted.resume)
    labs = running_labs()
    if wanted.resume:
        check_idle(journal, labs)
    console = terminal.console()
    if wanted.freeze == Freeze.DROP:
        _leave_the_network()
    began = time.monotonic()
    console.print(f"campaign {journal.campaign}, rows to {store.url}", soft_wrap=True)
    for note in fidelity_notes():
        console.print(f"note: {note}")
    for reason in loaded.campaign.left_out():
        console.print(f"left out: {reason}", soft_wrap=True)
    for pid in labs:
        console.print(f"warning: another poolbench lab is running (pid {pid}); timings are unreliable")
    if wanted.out:
        wanted.out.mkdir(parents=True, exist_ok=True)  # found out now, not when everything is measured
    check_memory(loaded.campaign)
    with (
        resumable(console, journal, [wanted.file, *given_again(hidden=_SECRET)]),
        unpacked(wanted.bundle, loaded.campaign) as code,
        running_lab(loaded.campaign, _options(wanted, code, console.print)) as target,
        variables_set(target.stack.environment()),
        shown(console) as on_progress,
    ):
        resume = wanted.resume is not None
        wall_s = run_session(loaded, journal, target, resume=resume, on_progress=on_progress)
    console.print(f"measured in {duration(wall_s)}")
    sync_and_report(console, journal, wanted.out or Path("runs") / journal.campaign)
    console.print(f"all done in {duration(time.monotonic() - began)}")


@contextlib.contextmanager
def resumable(console: Console, journal: Journal, arguments: Sequence[str]) -> Iterator[None]:
    """Say how to go on with a campaign that anything ends, Ctrl-C too, if there is anything to go on with.

    Args:
        console: where to say it.
        journal: of the campaign.
        arguments: it was begun with.

    """
    try:
        yield
    except BaseException as error:
        if not isinstance(error, (Different, click.UsageError, *WRONG_INPUT)) and _is_begun(journal):
            again = shlex.join(["poolbench", "campaign", *arguments, "--resume"])
            console.print(f"not finished; to go on: {again}", soft_wrap=True)
        raise


def _options(wanted: CampaignOptions, code: Code, say: Callable[[str], None]) -> LabOptions:
    return LabOptions(
        server=wanted.server,
        users_database=wanted.url,
        freeze=Freeze(wanted.freeze),
        code=code.functions,
        bundle=code.sha256,
        say=say,
    )


def _is_begun(journal: Journal) -> bool:
    try:
        return journal.begun()
    except StoreError:  # which is what stopped it
        return True


def _leave_the_network() -> None:
    """Packets are dropped by rules that belong to a network; this campaign's are to be nobody else's."""
    try:
        enter_private_network()
    except OSError as error:
        raise click.UsageError(
            f"--freeze {Freeze.DROP}: {error.strerror or error}; run it as root"
        ) from error
