"""`poolbench campaign`, in a lab that is started for it: run, sync and report."""

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from poolbench.campaign.file import CampaignFile
from poolbench.campaign.header import Different
from poolbench.campaign.journal import Journal
from poolbench.campaign.plan import Campaign
from poolbench.campaign.session import check_idle, open_journal, run_session
from poolbench.cli import terminal
from poolbench.cli.bundle import Code, unpacked
from poolbench.cli.errors import WRONG_INPUT
from poolbench.cli.options import given_again
from poolbench.cli.progress import duration, shown
from poolbench.cli.report import sync_and_report
from poolbench.cli.switches import listeners_of, proxy_settings, server_options
from poolbench.cli.target import check_memory, lanes_of, make_functions, target_of, variables_set
from poolbench.lab.aws import Freeze
from poolbench.lab.leftovers import running_labs
from poolbench.lab.platform import enter_private_network, fidelity_notes
from poolbench.lab.stack import LabSpec, Stack, running_stack
from poolbench.store import StoreError, open_store

_SECRET = ("--server", "--url")  # may hold a password


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for on the command line."""

    file: str
    store_url: str
    out: Path | None
    resume: str | None
    server: str | None
    url: str | None  # of somebody's own database
    bundle: Path | None
    freeze: Freeze


def run_in_lab(loaded: CampaignFile, wanted: Wanted) -> None:
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
    if wanted.freeze is Freeze.DROP:
        _leave_the_network()
    began = time.monotonic()
    console.print(f"campaign {journal.campaign}, rows to {store.url}", soft_wrap=True)
    for note in fidelity_notes():
        console.print(f"note: {note}")
    for reason in loaded.campaign.left_out():
        console.print(f"left out: {reason}", soft_wrap=True)
    for pid in labs:
        console.print(f"warning: process {pid} runs a lab, too: each disturbs the other's timings")
    if wanted.out:
        wanted.out.mkdir(parents=True, exist_ok=True)  # found out now, not when everything is measured
    check_memory(loaded.campaign)
    with (
        resumable(console, journal, [wanted.file, *given_again(hidden=_SECRET)]),
        unpacked(wanted.bundle, loaded.campaign) as code,
        _stack(loaded.campaign, wanted, code, console.print) as running,
        variables_set(running.environment()),
        shown(console) as on_progress,
    ):
        lab, goes_on = (
            code.target(target_of(running, lanes_of(loaded.campaign))),
            wanted.resume is not None,
        )
        finished = run_session(loaded, journal, lab, resume=goes_on, on_progress=on_progress)
    console.print(f"measured in {duration(finished.wall_s)}")
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


def _stack(
    campaign: Campaign, wanted: Wanted, code: Code, say: Callable[[str], None]
) -> AbstractContextManager[Stack]:
    lanes, timeout_s, fleet = lanes_of(campaign), campaign.function_timeout_s, campaign.fleet
    return running_stack(
        lambda at: code.functions(make_functions(lanes, timeout_s, at, campaign.sqlalchemy, fleet=fleet)),
        LabSpec(
            proxy_settings(campaign),
            server=wanted.server,
            user_database=wanted.url,
            options=server_options(campaign),
            listeners=listeners_of(campaign),
            tls=campaign.tls,
            freeze=wanted.freeze,
            added_rtt_s=campaign.added_rtt_s,
        ),
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
