"""One run of the campaign command: check, describe, run, and leave word of how it ended."""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from poolbench.campaign.beside import INTERVAL_S, OtherLabs, Sampling, Watch, burst_interval_s
from poolbench.campaign.clock import SystemClock
from poolbench.campaign.engine import CampaignStopped, Engine, Progress
from poolbench.campaign.file import CampaignFile
from poolbench.campaign.header import check_same, make_header, new_id
from poolbench.campaign.invoker import Invoker, LambdaInvoker
from poolbench.campaign.journal import Journal, newest, no_campaign
from poolbench.campaign.plan import Campaign
from poolbench.campaign.schedule import AnyLane, plan_bursts, plan_lanes
from poolbench.campaign.target import Target
from poolbench.model.cell import Cell
from poolbench.model.failures import MODES
from poolbench.model.header import FINISHED, NOT_ENDED, Jump, Session
from poolbench.store import Store, StoreError, check_writable

NEWEST = "newest"  # resume the newest campaign of the file's name


def open_journal(file: CampaignFile, store: Store, resume: str | None) -> Journal:
    """Find the campaign to resume, or name a new one; nothing is written but the writability marker.

    Raises:
        StoreError: the store cannot be written.
        NoCampaign: there is nothing to resume.

    """
    check_writable(store)
    if resume is None:
        return Journal(store, new_id(file.campaign.name))
    journal = Journal(store, newest(store, file.campaign.name) if resume == NEWEST else resume)
    if not journal.begun():
        raise no_campaign(store, journal.campaign)
    return journal


def check_idle(journal: Journal, labs: Collection[int]) -> None:
    """Refuse to run a campaign twice at once: its cells would be measured twice, and none of them filed.

    Args:
        journal: of the campaign.
        labs: processes that run labs on this machine now.

    Raises:
        CampaignStopped: one of them runs this campaign.

    """
    for session in journal.sessions():
        if session.how == NOT_ENDED and session.pid in labs:
            by = f"is being run by process {session.pid}"
            raise CampaignStopped(f"campaign {journal.campaign} {by}: wait for it, or stop it first")


def run_session(
    file: CampaignFile,
    journal: Journal,
    target: Target,
    *,
    resume: bool,
    on_progress: Callable[[Progress], None],
) -> float:
    """Run the cells that are not finished yet, and return how many seconds that took.

    Raises:
        Different: resumed with another file, server, version or setting.
        CampaignStopped: it could not go on.
        InvokeFailed: the Lambda service did not run a function.
        StoreError: the store refused.

    """
    campaign = file.campaign
    invoker = LambdaInvoker(campaign.function_timeout_s, at_once=campaign.fleet)
    cells = prepare(file, journal, target, invoker, resume=resume)
    lanes, functions = _lanes(campaign, cells, target)
    labs = OtherLabs(target.other_labs)

    def noted(progress: Progress) -> None:
        labs.look()
        on_progress(progress)

    engine = Engine(campaign, journal, invoker, SystemClock(), noted, faults=target.faults)
    began = time.monotonic()
    with _recorded(campaign, journal, target, invoker, labs):
        engine.run(lanes, functions, journal.next_attempts())
    return time.monotonic() - began


def _lanes(
    campaign: Campaign, cells: tuple[Cell, ...], target: Target
) -> tuple[tuple[AnyLane, ...], tuple[str, ...]]:
    """Lanes, and the function of each."""
    if campaign.burst:
        return (plan_bursts(campaign, cells),), (target.fleet,)
    return plan_lanes(campaign, cells), target.lanes


@dataclass(slots=True)
class _Record:
    """A session while it runs, in the store from its start on."""

    journal: Journal
    session: Session = field(init=False)

    def begin(self) -> None:
        self.session = Session(
            session=self.journal.next_session(), started_wall_ns=time.time_ns(), pid=os.getpid()
        )
        self.journal.write(f"starts/{self.session.session}", self.session.as_dict())

    def note_jump(self, number: int, jump: Jump) -> None:
        """Store a jump before anything can kill the session; a store that refuses may take it at the end."""
        with contextlib.suppress(StoreError):
            self.journal.write(f"jumps/{self.session.session}-{number:03d}", asdict(jump))

    def end(self, how: str, **found: Any) -> None:
        self.session = replace(self.session, how=how, ended_wall_ns=time.time_ns(), **found)
        # A store that broke the campaign may be too broken to take word of it; the first error is the news.
        with contextlib.suppress(*() if how == FINISHED else (StoreError,)):
            self.journal.write(f"sessions/{self.session.session}", self.session.as_dict())


@contextlib.contextmanager
def _recorded(
    campaign: Campaign, journal: Journal, target: Target, invoker: Invoker, labs: OtherLabs
) -> Iterator[None]:
    """Sample and watch during the block, and leave word of the session however it ends."""
    record = _Record(journal)
    record.begin()
    started = record.session
    sampling = Sampling(
        invoker,
        target.sampler,
        journal.store.url,
        journal.campaign,
        f"{started.session}-{started.started_wall_ns}",
        interval_s=burst_interval_s(campaign.idle_client_timeout_s) if campaign.burst else INTERVAL_S,
    )
    watch, how = Watch(record.note_jump), FINISHED
    try:
        with sampling, watch:
            yield
    except KeyboardInterrupt:
        how = "interrupted"
        raise
    except Exception as error:
        how = f"stopped: {error}"
        raise
    finally:
        record.end(how, sampling=sampling.tally, jumps=watch.jumps(), other_labs=labs.count())


def prepare(
    file: CampaignFile, journal: Journal, target: Target, invoker: Invoker, *, resume: bool
) -> tuple[Cell, ...]:
    """Prepare the database, write or check the header, and return the cells that are not finished yet.

    Raises:
        Different: resumed with another file, server, version or setting.
        CampaignStopped: the sampler cannot reach the database, or the target lacks what the campaign needs.
        InvokeFailed: the Lambda service did not run a function.
        StoreError: the store refused.

    """
    if file.campaign.burst and not target.fleet:
        raise CampaignStopped("a burst needs a function with many environments, and this target has none")
    modes = [MODES[name] for name in file.campaign.factors.failures]
    if refused := [f"{mode.name} {why}" for mode in modes if (why := target.faults.refuses(mode))]:
        raise CampaignStopped(f"factors.failures: {'; '.join(refused)}: name other failures")
    _call(invoker, target.sampler, "prepare", workload=file.campaign.request.workload)
    described = _call(invoker, target.sampler, "describe", drivers=file.campaign.factors.drivers)
    header = make_header(journal.campaign, file, target.facts, described)
    if resume:
        check_same(journal.header(), header)
    else:
        journal.write("header", header.as_dict())
    finished = journal.finished_cells()
    return tuple(cell for cell in file.campaign.cells() if cell.id not in finished)


def _call(invoker: Invoker, function: str, action: str, **more: Any) -> dict[str, Any]:
    reply = invoker.invoke(function, {"action": action, **more})
    if reply.report.function_error:
        raise CampaignStopped(
            f"{function} could not {action}: {reply.report.function_error}: {reply.error_message or ''}"
        )
    answer: dict[str, Any] = reply.payload
    return answer
