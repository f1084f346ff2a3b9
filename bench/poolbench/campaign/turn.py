"""One turn: an invocation is sent, its rows and what the client saw of it are filed.

The runner takes turns from this machine, and the deployed state machine from a function of its own.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from poolbench.campaign.clock import Clock
from poolbench.campaign.invoker import Invoker, Reply
from poolbench.campaign.journal import Journal
from poolbench.campaign.plan import Campaign
from poolbench.campaign.schedule import Step
from poolbench.campaign.unanswered import ENVIRONMENT_LOST, row_of_unanswered
from poolbench.campaign.window import Window
from poolbench.function.invocation import Invocation, encode_rows
from poolbench.function.record import Outcome
from poolbench.store import Conflict, Store


class FunctionBroken(Exception):
    """The function itself failed, not a connection; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What came of an invocation."""

    environment: str  # that ran it
    outcomes: Sequence[str]  # of its requests
    last_error: str | None
    record: dict[str, Any]  # of the invocation as the client saw it, for the cell's object

    @property
    def lost(self) -> int:
        """How many of its requests failed or hung."""
        return sum(outcome in (Outcome.ERROR, Outcome.HANG) for outcome in self.outcomes)


def invocation_of(
    campaign: Campaign, journal: Journal, step: Step, attempt: int, due_wall_ns: int = 0
) -> Invocation:
    """Make the event of a step; it is stamped with the time of sending when its turn is taken."""
    request = campaign.request
    return Invocation(
        campaign=journal.campaign,
        cell=step.cell.id,
        attempt=attempt,
        sequence=step.sequence,
        round=step.round,
        role=step.role,
        strategy=step.cell.strategy,
        label=step.cell.label,
        endpoint=step.cell.endpoint,
        driver=step.cell.driver,
        workload=step.cell.workload,
        requests=request.requests,
        pooled=request.pooled,
        deadline_s=request.deadline_s,
        idle_client_timeout_s=campaign.idle_client_timeout_s,
        due_wall_ns=due_wall_ns,
        sent_wall_ns=0,
        store=journal.store.url,
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
    if reply.function_error:
        outcomes = _file_unanswered(invocation, reply, environment, done_ns, store)
        last_error = reply.payload.get("errorMessage") if isinstance(reply.payload, dict) else None
    else:
        environment, outcomes = reply.payload["environment"], reply.payload["outcomes"]
        last_error = reply.payload["first_error"]
        if reply.payload["stored"] is None:
            store.put_new(invocation.key, encode_rows(reply.payload["rows"]))
    seen = asdict(reply)
    del seen["payload"]
    record = {
        "sequence": invocation.sequence,
        "function": function,
        "environment": environment,
        "client_due_wall_ns": invocation.due_wall_ns,
        "client_sent_wall_ns": invocation.sent_wall_ns,
        "client_done_wall_ns": done_ns,
        **seen,
    }
    return Turn(environment=environment, outcomes=outcomes, last_error=last_error, record=record)


def _file_unanswered(
    invocation: Invocation, reply: Reply, environment: str, done_ns: int, store: Store
) -> Sequence[str]:
    """Write the row of an invocation whose environment was killed."""
    if reply.function_error not in ENVIRONMENT_LOST:
        message = reply.payload.get("errorMessage") if isinstance(reply.payload, dict) else reply.payload
        raise FunctionBroken(f"the function failed: {reply.function_error}: {message}")
    row = row_of_unanswered(invocation, reply, environment, done_ns)
    # Conflict: it had written its rows before it was killed, and those are the better ones.
    with contextlib.suppress(Conflict):
        store.put_new(invocation.key, encode_rows([row.as_dict()]))
    return [row.outcome]


def finish_cell(
    journal: Journal,
    cell: str,
    attempt: int,
    records: Sequence[dict[str, Any]],
    window: Window | None = None,
) -> None:
    """Write the object that makes a cell finished; `window` is a burst's."""
    content = {"cell": cell, "attempt": attempt, "invocations": list(records)}
    journal.write(f"cells/{cell}", content | ({"window": window.as_dict()} if window else {}))
