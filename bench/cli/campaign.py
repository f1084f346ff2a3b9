"""`poolbench campaign`: run it in a lab of its own, sync and report."""

import shlex
import time
from pathlib import Path

import click
from rich.console import Console

from bench.aws.bundle import DEFAULT
from bench.aws.deployed import OTHER_LANES, STACK
from bench.campaign.invoker import InvokeFailed
from bench.campaign.journal import Journal
from bench.campaign.runner import CampaignStopped
from bench.campaign.session import NEWEST, open_journal, run_session
from bench.campaign.sync import sync
from bench.cli.aws_campaign import CLIENT, STEP_FUNCTIONS, Wanted, run_on_aws
from bench.cli.bundle import unpacked
from bench.cli.options import STORE, given_again, refuse_given, server_option
from bench.cli.progress import duration, shown
from bench.cli.report import describe, show_report
from bench.cli.switches import check_own_database, listeners_of, proxy_settings, server_options
from bench.cli.target import check_memory, lanes_of, load, make_functions, target_of, variables_set
from bench.lab.aws import Freeze
from bench.lab.leftovers import running_labs
from bench.lab.platform import enter_private_network, fidelity_notes
from bench.lab.stack import running_stack
from bench.store import StoreError, open_store

FILE = click.argument("file", metavar="FILE")
_SECRET = ("--server", "--url")  # may hold a password
_OF_ONE = {  # target -> options that mean something there alone
    "lab": ("--store", "--server", "--url", "--bundle", "--freeze"),
    "aws": ("--stack", "--region", "--driver", "--lane", "--max-usd"),
}


@click.command()
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
    "own",
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
@click.option("--max-usd", type=click.FloatRange(min=0), help="Do not start it on AWS if it costs more.")
def campaign(
    file: str,
    *,
    store_url: str,
    out: Path | None,
    resume: str | None,
    server: str | None,
    url: str | None,
    failures: tuple[str, ...],
    own: tuple[str, ...],
    bundle: Path | None,
    freeze: str,
    target: str,
    stack: str,
    region: str | None,
    driver: str,
    lane: str | None,
    max_usd: float | None,
) -> None:
    """Run campaign FILE, then sync and report it.

    \b
    Ctrl-C stops it cleanly; --resume goes on with the cells that are not finished.
    On AWS it goes on without you, and --resume attaches to it again.
    FILE is a TOML file, or the name of a packaged one (see `poolbench campaigns`).
    """
    refuse_given(_OF_ONE["aws" if target == "lab" else "lab"], f"not with --target {target}")
    loaded = load(file, own, failures)
    if url:
        check_own_database(loaded.campaign, url, server)
    if target == "aws":
        wanted = Wanted(
            file=file,
            stack=stack,
            region=region,
            driver=driver,
            lane=lane,
            max_usd=max_usd,
            resume=resume,
            out=out,
        )
        run_on_aws(loaded, wanted)
        return
    store = open_store(store_url)
    journal = open_journal(loaded, store, resume)
    console = Console()
    if Freeze(freeze) is Freeze.DROP:
        _leave_the_network()
    began = time.monotonic()
    console.print(f"campaign {journal.campaign}, rows to {store.url}", soft_wrap=True)
    for note in fidelity_notes():
        console.print(f"note: {note}")
    for reason in loaded.campaign.left_out():
        console.print(f"left out: {reason}", soft_wrap=True)
    for pid in running_labs():
        console.print(f"warning: process {pid} runs a lab, too: each disturbs the other's timings")
    if out:
        out.mkdir(parents=True, exist_ok=True)  # found out now, not when everything is measured
    check_memory(loaded.campaign)
    lanes, fleet = lanes_of(loaded.campaign), loaded.campaign.fleet
    try:
        with (
            unpacked(bundle, loaded.campaign) as code,
            running_stack(
                lambda endpoints: code.functions(
                    make_functions(
                        lanes,
                        loaded.campaign.function_timeout_s,
                        endpoints,
                        loaded.campaign.sqlalchemy,
                        fleet=fleet,
                    )
                ),
                proxy_settings(loaded.campaign),
                server=server,
                own_database=url,
                options=server_options(loaded.campaign),
                listeners=listeners_of(loaded.campaign),
                tls=loaded.campaign.tls,
                freeze=Freeze(freeze),
                added_rtt_s=loaded.campaign.added_rtt_s,
                say=console.print,
            ) as running,
            variables_set(running.environment()),
            shown(console) as on_progress,
        ):
            lab = code.target(target_of(running, lanes))
            finished = run_session(loaded, journal, lab, resume=resume is not None, on_progress=on_progress)
    except (CampaignStopped, InvokeFailed, KeyboardInterrupt):
        if _is_begun(journal):
            again = shlex.join(["poolbench", "campaign", file, *given_again(hidden=_SECRET), "--resume"])
            console.print(f"not finished; to go on: {again}", soft_wrap=True)
        raise
    console.print(f"measured in {duration(finished.wall_s)}")
    directory = out or Path("runs") / journal.campaign
    describe(console, sync(journal, directory))
    show_report(console, [directory], directory)
    console.print(f"all done in {duration(time.monotonic() - began)}")


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
