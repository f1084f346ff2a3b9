"""From a campaign's lanes to an execution of the deployed state machine."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from poolbench.aws.account import Account, explained
from poolbench.aws.conductor import LaneState
from poolbench.aws.deployed import Deployed
from poolbench.aws.fit import SLICE_S, check_history
from poolbench.aws.lane_plan import LanePlan, PlannedTurn, key_of, planned_s, stagger
from poolbench.campaign import BadCampaign
from poolbench.campaign.journal import Journal
from poolbench.campaign.plan import Campaign
from poolbench.campaign.schedule import Lane
from poolbench.campaign.turn import invocation_of

INPUT_BYTES = 256 * 1024  # quota of Step Functions for an execution's input
_SAMPLES = 10_000  # at most about so many in a campaign
_HEAD_START_S = 5  # from the plan to the first turn


@dataclass(frozen=True, slots=True)
class Started:
    """An execution that runs, or ran, a session of a campaign."""

    session: str
    arn: str


def start(
    account: Account, deployed: Deployed, campaign: Campaign, journal: Journal, lanes: Sequence[Lane]
) -> Started:
    """Put the lanes' plans into the store and start the state machine.

    Raises:
        BadCampaign: it is too long for one execution.
        StoreError: the store refused.
        AwsFailed: Step Functions refused.

    """
    check_history(lanes)
    session = journal.next_session()
    now_ms = time.time_ns() // 1_000_000
    attempts = journal.next_attempts()
    states = []
    placed = zip(lanes, deployed.lanes, stagger(lanes), strict=False)
    for number, (lane, function, offsets) in enumerate(placed):
        plan = LanePlan(
            function=function,
            function_timeout_s=campaign.function_timeout_s,
            starts_wall_ms=now_ms + _HEAD_START_S * 1000,
            turns=_turns(campaign, journal, attempts, lane, offsets),
        )
        journal.store.put_new(key_of(journal.campaign, session, number), plan.encode())
        wait_s = _HEAD_START_S + offsets[0]
        state = LaneState(
            store=journal.store.url,
            campaign=journal.campaign,
            session=session,
            lane=number,
            due_wall_ms=now_ms + wait_s * 1000,
            wait_s=wait_s,
        )
        states.append(asdict(state))
    sampling = _sampling(deployed, session, now_ms, planned_s(lanes))
    content = _input(deployed, journal, session, states, sampling)
    arn = _start_execution(account, deployed, f"{journal.campaign}-{session}", content)
    return Started(session, arn)


def _turns(
    campaign: Campaign, journal: Journal, attempts: Mapping[str, int], lane: Lane, offsets: Sequence[int]
) -> tuple[PlannedTurn, ...]:
    return tuple(
        PlannedTurn(
            invocation=invocation_of(campaign, journal, send, send.sequence),
            wait_s=send.wait_s,
            offset_s=offset_s,
            cell=send.cell,
        )
        for send, offset_s in zip(lane.sends(attempts), offsets, strict=True)
    )


def _input(
    deployed: Deployed, journal: Journal, session: str, states: list[dict[str, Any]], sampling: dict[str, Any]
) -> str:
    where = urlsplit(journal.store.url)
    content = {
        "conductor": deployed.conductor,
        "store": journal.store.url,
        "campaign": journal.campaign,
        "session": session,
        "lanes": states,
        "mark": {
            "bucket": where.netloc,
            "key": f"{where.path.strip('/')}/{journal.campaign}/lanes/{session}-done".lstrip("/"),
        },
        "failure": None,
        **sampling,
    }
    text = json.dumps(content)
    if len(text) > INPUT_BYTES:
        raise BadCampaign(f"{len(states)} lanes do not fit into an execution's input of {INPUT_BYTES} bytes")
    return text


def _sampling(deployed: Deployed, session: str, now_ms: int, expected_s: float) -> dict[str, Any]:
    # Numbers of one length sort as text.
    tally = {"number": 10_000, "samples": 0, "missed": 0, "late": 0, "failed_slices": 0, "last_error": None}
    sampler = {
        "function": deployed.sampler,
        "series": f"{session}-{now_ms}",
        # Short campaigns shall not wait long for their last slice.
        "duration_s": min(SLICE_S, math.ceil(expected_s / 10)),
        "interval_s": max(1, math.ceil(expected_s / _SAMPLES)),
    }
    return {"started_wall_ms": now_ms, "sampler": sampler, "tally": tally}


def _start_execution(account: Account, deployed: Deployed, name: str, content: str) -> str:
    with explained("start the state machine"):
        answer = account.client("stepfunctions").start_execution(
            stateMachineArn=deployed.state_machine, name=name, input=content
        )
    arn: str = answer["executionArn"]
    return arn


def running(account: Account, deployed: Deployed) -> dict[str, Started]:
    """Find what the state machine is at work on, by campaign."""
    with explained("list executions"):
        pages = (
            account.client("stepfunctions")
            .get_paginator("list_executions")
            .paginate(stateMachineArn=deployed.state_machine, statusFilter="RUNNING")
        )
        found = [execution for page in pages for execution in page["executions"]]
    named = ((execution["name"].rpartition("-"), execution["executionArn"]) for execution in found)
    return {campaign: Started(session, arn) for (campaign, _, session), arn in named if session.isdecimal()}
