"""`poolbench campaign --target aws`: start it on the deployed stack, follow it, sync and report."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from poolbench.aws.account import Account, AwsFailed, open_account
from poolbench.aws.cost import NoPrice, Prices, StackSize, TooExpensive, bill, total
from poolbench.aws.deployed import Deployed, find
from poolbench.aws.fit import check, check_time
from poolbench.aws.follow import follow
from poolbench.aws.workflow import Started, running, start
from poolbench.campaign import BadCampaign
from poolbench.campaign.engine import CampaignStopped
from poolbench.campaign.file import CampaignFile
from poolbench.campaign.invoker import InvokeFailed, LambdaInvoker
from poolbench.campaign.journal import Journal
from poolbench.campaign.schedule import plan_lanes
from poolbench.campaign.session import open_journal, prepare, run_session
from poolbench.cli import terminal
from poolbench.cli.options import CampaignOptions
from poolbench.cli.plan import usage_of
from poolbench.cli.report import sync_and_report
from poolbench.cli.terminal import shown
from poolbench.store import StoreError, open_store
from poolbench.targets import variables_set
from poolbench.targets.aws import AwsTarget

STEP_FUNCTIONS, CLIENT = "stepfunctions", "client"


def run_on_aws(loaded: CampaignFile, wanted: CampaignOptions) -> None:
    """Run, or go on with, a campaign on a deployed stack.

    Raises:
        AwsFailed: no credentials, no such stack, or AWS refused.
        BadCampaign: it does not fit the stack.
        TooExpensive: it would cost more than `max_usd`.
        CampaignStopped: it ended with cells that are not finished.

    """
    console = terminal.console()
    account = open_account(wanted.region)
    deployed = find(account, wanted.stack)
    size = StackSize.of(len(deployed.lanes), deployed.parameters)
    if wanted.lane:
        deployed = deployed.on(wanted.lane)
    check(loaded.campaign, deployed)
    if wanted.driver == STEP_FUNCTIONS and loaded.campaign.burst:
        raise BadCampaign(f"{loaded.campaign.name}: a burst is sent from here: add --driver {CLIENT}")
    # The store and the functions are called with the default region.
    with variables_set({"AWS_DEFAULT_REGION": account.region}):
        at_work = running(account, deployed)
        journal = open_journal(loaded, open_store(deployed.store), wanted.resume)
        console.print(f"campaign {journal.campaign}, rows to {journal.store.url}", soft_wrap=True)
        attach = at_work.get(journal.campaign)
        if at_work and not attach:
            campaign, other = next(iter(at_work.items()))
            raise AwsFailed(
                f"stack {wanted.stack!r} is busy with campaign {campaign}: attach with --resume {campaign}, "
                f"wait, or stop it: aws stepfunctions stop-execution --execution-arn {other.arn}"
            )
        session = _Session(console, account, deployed, size, loaded, journal, wanted)
        if attach:
            session.follow(attach)
        elif wanted.driver == CLIENT:
            session.run_from_here()
        else:
            session.run()
        directory = wanted.out or Path("runs") / journal.campaign
        sync_and_report(console, journal, directory)


@dataclass(frozen=True, slots=True)
class _Session:
    """One run of the command, with everything that it needs."""

    console: Console
    account: Account
    deployed: Deployed
    size: StackSize
    loaded: CampaignFile
    journal: Journal
    wanted: CampaignOptions

    def run(self) -> None:
        """Start what is left of the campaign, if anything is, and follow it."""
        self._check_means()
        campaign = self.loaded.campaign
        invoker = LambdaInvoker(campaign.function_timeout_s)
        target = AwsTarget.of(self.deployed, STEP_FUNCTIONS)
        cells = prepare(self.loaded, self.journal, target, invoker, resume=self.wanted.resume is not None)
        if cells:
            lanes = plan_lanes(campaign, cells)
            self.follow(start(self.account, self.deployed, campaign, self.journal, lanes))

    def follow(self, started: Started) -> None:
        """Show progress; not to look any more does not stop it."""
        again = (
            f"poolbench campaign {self.wanted.file} --target aws --stack {self.wanted.stack} "
            f"--region {self.account.region} --resume {self.journal.campaign}"
            + (f" --lane {self.wanted.lane}" if self.wanted.lane else "")
        )
        self.console.print(f"runs as {started.arn}; Ctrl-C leaves it running", soft_wrap=True)
        try:
            with shown(self.console) as on_progress:
                follow(self.account, self.journal, started, on_progress)
        except (KeyboardInterrupt, AwsFailed, StoreError):
            self.console.print(f"it goes on without you; to attach again: {again}", soft_wrap=True)
            raise
        except CampaignStopped:
            self.console.print(f"not finished; to go on: {again}", soft_wrap=True)
            raise

    def run_from_here(self) -> None:
        """Wait for the gaps on this machine, as in the lab."""
        self._check_means()
        resume = self.wanted.resume is not None
        try:
            with shown(self.console) as on_progress:
                target = AwsTarget.of(self.deployed, CLIENT)
                run_session(self.loaded, self.journal, target, resume=resume, on_progress=on_progress)
        except (CampaignStopped, InvokeFailed, KeyboardInterrupt, StoreError):
            self.console.print("not finished; to go on, run the same again with --resume", soft_wrap=True)
            raise

    def _check_means(self) -> None:
        finished = self.journal.finished_cells()
        campaign, most_usd = self.loaded.campaign, self.wanted.max_usd
        usage = usage_of(campaign, [cell for cell in campaign.cells() if cell.id not in finished])
        check_time(self.deployed, usage.seconds, datetime.datetime.now(datetime.UTC))
        try:
            usd = total(bill(usage, self.size, Prices.of(self.deployed.region)))
        except NoPrice as error:
            if most_usd is not None:
                raise
            self.console.print(f"what it will cost is not known: {error}")
            return
        self.console.print(f"it will cost about {usd:.2f} USD, the stack's time included")
        if most_usd is not None and usd > most_usd:
            raise TooExpensive(
                f"campaign {campaign.name} would cost about {usd:.2f} USD, more than --max-usd {most_usd:g}; "
                f"`poolbench plan {self.wanted.file} --target aws` shows for what"
            )
