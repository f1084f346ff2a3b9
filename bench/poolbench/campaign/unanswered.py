"""The row of an invocation that the function could not write itself, because it was killed."""

from poolbench.campaign.invoker import TIMED_OUT, Reply
from poolbench.function.invocation import Invocation
from poolbench.function.record import SCHEMA, Outcome, Role, Row, State

ENVIRONMENT_LOST = frozenset({TIMED_OUT, "Runtime.ExitError"})


def row_of_unanswered(invocation: Invocation, reply: Reply, environment: str, done_ns: int) -> Row:
    """Make the row: a hang if the function's timeout ended it, else an error.

    The client knows the invocation from outside only: its latency is the round trip, its monotonic and
    boottime clocks were never read and are 0, and counts are those of a request that got nowhere.
    """
    message = reply.payload.get("errorMessage", "") if isinstance(reply.payload, dict) else ""
    return Row(
        schema=SCHEMA,
        campaign=invocation.campaign,
        cell=invocation.cell,
        attempt=invocation.attempt,
        sequence=invocation.sequence,
        thread=0,
        request=0,
        round=invocation.round,
        role=Role(invocation.role),
        state=State.FIRST_AFTER_GAP,
        environment=environment,
        initialization="",
        environment_ordinal=0,
        engine_ordinal=0,
        due_wall_ns=invocation.due_wall_ns,
        sent_wall_ns=invocation.sent_wall_ns,
        started_wall_ns=invocation.sent_wall_ns,
        started_monotonic_ns=0,
        started_boottime_ns=0,
        done_wall_ns=done_ns,
        done_monotonic_ns=0,
        done_boottime_ns=0,
        gap_s=None,
        connection_idle_s=None,
        latency_s=(done_ns - invocation.sent_wall_ns) / 1e9,
        checkout_s=None,
        connect_s=None,
        ping_s=None,
        execute_s=None,
        reset_s=None,
        connects=0,
        pings=0,
        invalidations=0,
        recycles=0,
        wire_commands=None,
        outcome=Outcome.HANG if reply.function_error == TIMED_OUT else Outcome.ERROR,
        error_class=reply.function_error,
        error_code=None,
        error_message=message,
        error_phase=None,
        connection_invalidated=None,
        connection_id=None,
    )
