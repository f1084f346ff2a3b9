"""One turn: an invocation is sent, its rows and what the client saw of it are filed.

The engine takes turns from this machine, and the deployed state machine from a function of its own.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from poolbench.campaign.clock import Clock
from poolbench.campaign.invoker import TIMED_OUT, Invoker, Reply
from poolbench.campaign.journal import Journal
from poolbench.campaign.plan import Campaign
from poolbench.campaign.schedule import Send
from poolbench.model.cell import ClientView, InvocationRecord
from poolbench.model.invocation import BurstPart, Invocation
from poolbench.model.row import Failure, Instant, Outcome, Role, Row, State, Visit, encode_rows
from poolbench.store import Conflict, Store

ENVIRONMENT_LOST = frozenset({TIMED_OUT, "Runtime.ExitError"})


class FunctionBroken(Exception):
    """The function itself failed, not a connection; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What came of an invocation."""

    environment: str  # that ran it
    outcomes: Sequence[str]  # of its requests
    last_error: str | None
    record: InvocationRecord


def invocation_of(
    campaign: Campaign, journal: Journal, send: Send, sequence: int, due_wall_ns: int = 0
) -> Invocation:
    """Make the event; it is stamped with the time of sending when its turn is taken."""
    cell, request, burst = send.cell, campaign.request, None
    if send.role is Role.BURST and campaign.burst:
        burst = BurstPart(start_wall_ns=due_wall_ns, threads=cell.threads, think_s=campaign.burst.think_s)
    return Invocation(
        visit=Visit(
            campaign=journal.campaign,
            cell=cell.id,
            attempt=send.attempt,
            sequence=sequence,
            round=send.round,
            role=send.role,
        ),
        strategy=cell.strategy,
        label=cell.label,
        endpoint=cell.endpoint,
        driver=cell.driver,
        workload=cell.workload,
        requests=request.requests,
        pooled=request.pooled,
        deadline_s=request.deadline_s,
        idle_client_timeout_s=campaign.idle_client_timeout_s,
        due_wall_ns=due_wall_ns,
        sent_wall_ns=0,
        store=journal.store.url,
        burst=burst,
    )


def take_turn(
    planned: Invocation, function: str, environment: str, *, invoker: Invoker, store: Store, clock: Clock
) -> Turn:
    """Send an invocation, and store what the function could not store itself.

    Args:
        planned: what to send, but for the time.
        function: `name:alias`.
        environment: that answered last on this lane, for the row of one that is killed now.
        invoker: calls it.
        store: for rows; the one that the invocation names.
        clock: to stamp by.

    Raises:
        FunctionBroken: the function failed in a way that no connection can make it fail.
        InvokeFailed: the Lambda service did not run it.
        StoreError: what it brought can be stored neither by the function nor from here.

    """
    invocation = replace(planned, sent_wall_ns=clock.wall_ns())
    reply = invoker.invoke(function, invocation.as_dict())
    done_ns = clock.wall_ns()
    outcomes: Sequence[str]
    if reply.report.function_error:
        outcomes = _file_unanswered(invocation, reply, environment, done_ns, store)
        last_error = reply.error_message
    else:
        environment, outcomes = reply.payload["environment"], reply.payload["outcomes"]
        last_error = reply.payload["first_error"]
        if reply.payload["stored"] is None:
            store.put_new(invocation.visit.key, encode_rows(reply.payload["rows"]))
    record = InvocationRecord(
        sequence=invocation.visit.sequence,
        environment=environment,
        client_due_wall_ns=invocation.due_wall_ns,
        client=ClientView(
            function=function,
            client_sent_wall_ns=invocation.sent_wall_ns,
            client_done_wall_ns=done_ns,
            report=reply.report,
        ),
    )
    return Turn(environment=environment, outcomes=outcomes, last_error=last_error, record=record)


def _file_unanswered(
    invocation: Invocation, reply: Reply, environment: str, done_ns: int, store: Store
) -> Sequence[str]:
    """Write the row of an invocation whose environment was killed."""
    if reply.report.function_error not in ENVIRONMENT_LOST:
        said = reply.payload if reply.error_message is None else reply.error_message
        raise FunctionBroken(f"the function failed: {reply.report.function_error}: {said}")
    row = row_of_unanswered(invocation, reply, environment, done_ns)
    # Conflict: it had written its rows before it was killed, and those are the better ones.
    with contextlib.suppress(Conflict):
        store.put_new(invocation.visit.key, encode_rows([row.as_dict()]))
    return [row.outcome]


def row_of_unanswered(invocation: Invocation, reply: Reply, environment: str, done_ns: int) -> Row:
    """Make the row that the function could not write, because it was killed: a hang or an error.

    The client knows the invocation from outside only: its latency is the round trip, its monotonic and
    boottime clocks were never read, and counts are those of a request that got nowhere.
    """
    error = reply.report.function_error
    return Row(
        visit=invocation.visit,
        request=0,
        state=State.FIRST_AFTER_GAP,
        environment=environment,
        initialization="",
        environment_ordinal=0,
        engine_ordinal=0,
        due_wall_ns=invocation.due_wall_ns,
        sent_wall_ns=invocation.sent_wall_ns,
        started=Instant(invocation.sent_wall_ns),
        done=Instant(done_ns),
        gap_s=None,
        latency_s=(done_ns - invocation.sent_wall_ns) / 1e9,
        outcome=Outcome.HANG if error == TIMED_OUT else Outcome.ERROR,
        failure=Failure(error_class=error, error_message=reply.error_message or ""),
    )
