"""One run of the campaign command: check, describe, run, and leave word of how it ended."""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any

from poolbench.campaign.burst_runner import BurstRunner
from poolbench.campaign.cells import Cell
from poolbench.campaign.clock import SystemClock
from poolbench.campaign.file import CampaignFile
from poolbench.campaign.header import check_same, make_header, new_id
from poolbench.campaign.invoker import Invoker, LambdaInvoker
from poolbench.campaign.journal import Journal, newest, no_campaign
from poolbench.campaign.neighbours import Neighbours
from poolbench.campaign.runner import CampaignStopped, Progress, Runner, Switch
from poolbench.campaign.sampling import INTERVAL_S, Sampling, burst_interval_s
from poolbench.campaign.schedule import Lane, plan_lanes
from poolbench.campaign.watch import Watch
from poolbench.store import Store, StoreError, check_writable

NEWEST = "newest"  # resume the newest campaign of the file's name
NOT_ENDED = "not ended"  # how a run of a campaign ended that goes on, or was killed


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a campaign is run against."""

    lanes: tuple[str, ...]  # functions, `name:alias`, one execution environment each
    sampler: str
    description: dict[str, Any]  # kind, freeze, proxy settings, ...: goes into the header
    fleet: str = ""  # function with as many environments as a burst needs; none where there is no burst
    switch: Switch | None = None  # brings about failures that need somebody to do it; none on AWS
    labs_beside: Callable[[], Collection[int]] = tuple  # processes that run other labs on this machine now


@dataclass(frozen=True, slots=True)
class Finished:
    """A campaign whose cells are all done."""

    campaign: str
    wall_s: float


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
        if session.get("how") == NOT_ENDED and session.get("pid") in labs:
            by = f"is being run by process {session['pid']}"
            raise CampaignStopped(f"campaign {journal.campaign} {by}: wait for it, or stop it first")


def run_session(
    file: CampaignFile,
    journal: Journal,
    target: Target,
    *,
    resume: bool,
    on_progress: Callable[[Progress], None],
) -> Finished:
    """Run the cells that are not finished yet.

    Raises:
        Different: resumed with another file, server, version or setting.
        CampaignStopped: it could not go on.
        InvokeFailed: the Lambda service did not run a function.
        StoreError: the store refused.

    """
    campaign = file.campaign
    invoker = LambdaInvoker(campaign.function_timeout_s, at_once=campaign.fleet)
    cells = _begin(file, journal, target, invoker, resume=resume)
    session = journal.next_session()
    record: dict[str, Any] = {
        "session": session,
        "started_wall_ns": time.time_ns(),
        "how": NOT_ENDED,
        "pid": os.getpid(),
    }
    journal.write(f"starts/{session}", record)
    record["how"] = "finished"
    neighbours = Neighbours(target.labs_beside)

    def noted(progress: Progress) -> None:
        neighbours.look()
        on_progress(progress)

    common = (journal, invoker, SystemClock(), noted)
    run: Callable[[], None]
    if campaign.burst:
        bursts = BurstRunner(campaign, *common, fleet=target.fleet)
        run = functools.partial(bursts.run, cells, journal.next_attempts())
    else:
        runner = Runner(campaign, *common, switch=target.switch)
        lanes = plan_lanes(campaign, cells)
        run = functools.partial(runner.run, lanes, target.lanes, journal.next_attempts())
    sampling = Sampling(
        invoker,
        target.sampler,
        journal.store.url,
        journal.campaign,
        f"{session}-{record['started_wall_ns']}",
        interval_s=burst_interval_s(campaign.idle_client_timeout_s) if campaign.burst else INTERVAL_S,
    )
    watch = Watch(functools.partial(_note_jump, journal, session))
    began = time.monotonic()
    try:
        with sampling, watch:
            run()
    except KeyboardInterrupt:
        record["how"] = "interrupted"
        raise
    except Exception as error:
        record["how"] = f"stopped: {error}"
        raise
    finally:
        record["ended_wall_ns"] = time.time_ns()
        record["sampling"] = asdict(sampling.tally)
        record["jumps"] = watch.jumps()
        record["labs_beside"] = neighbours.count()
        # A store that broke the campaign may be too broken to take word of it; the first error is the news.
        with contextlib.suppress(*() if record["how"] == "finished" else (StoreError,)):
            journal.write(f"sessions/{session}", record)
    return Finished(journal.campaign, time.monotonic() - began)


def _note_jump(journal: Journal, session: str, number: int, jump: dict[str, Any]) -> None:
    """Store a jump before anything can kill the session; a store that refuses it may take it at the end."""
    with contextlib.suppress(StoreError):
        journal.write(f"jumps/{session}-{number:03d}", jump)


def begin(
    file: CampaignFile, journal: Journal, target: Target, invoker: Invoker, *, resume: bool
) -> tuple[Lane, ...]:
    """Prepare the database, write or check the header, and lay out the cells that are not finished yet.

    Raises:
        Different: resumed with another file, server, version or setting.
        CampaignStopped: the sampler cannot reach the database.
        InvokeFailed: the Lambda service did not run a function.
        StoreError: the store refused.

    """
    return plan_lanes(file.campaign, _begin(file, journal, target, invoker, resume=resume))


def _begin(
    file: CampaignFile, journal: Journal, target: Target, invoker: Invoker, *, resume: bool
) -> tuple[Cell, ...]:
    if file.campaign.burst and not target.fleet:
        raise CampaignStopped("a burst needs a function with many environments, and this target has none")
    _call(invoker, target.sampler, "prepare", workload=file.campaign.request.workload)
    described = _call(invoker, target.sampler, "describe", drivers=file.campaign.factors.drivers)
    header = make_header(journal.campaign, file, target.description, described)
    if resume:
        before = journal.read("header")
        with journal.judging(f"{journal.campaign}/header.json"):
            check_same(before, header)
    else:
        journal.write("header", header)
    finished = journal.finished_cells()
    return tuple(cell for cell in file.campaign.cells() if cell.id not in finished)


def _call(invoker: Invoker, function: str, action: str, **more: Any) -> dict[str, Any]:
    reply = invoker.invoke(function, {"action": action, **more})
    if reply.function_error:
        message = reply.payload.get("errorMessage", "") if isinstance(reply.payload, dict) else ""
        raise CampaignStopped(f"{function} could not {action}: {reply.function_error}: {message}")
    answer: dict[str, Any] = reply.payload
    return answer
