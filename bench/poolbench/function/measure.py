"""One request, measured: the code whose timing everything else is about."""

import time
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from poolbench.function.client import Client
from poolbench.function.clocks import now
from poolbench.function.outcome import classify, describe
from poolbench.function.workload import Workload
from poolbench.model.row import Failure, Instant, Observation, Outcome, Phases


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one request showed."""

    started: Instant
    done: Instant
    latency_s: float
    phases: Phases
    outcome: Outcome
    failure: Failure
    seen: Observation


def measure(client: Client, workload: Workload, deadline_s: float) -> Measurement:
    """Check out a connection, run the workload, return the connection; never raises what that raised.

    The phases are what the calling application waits for: checkout with its pings and connects, execute, and
    the return with the pool's ROLLBACK. A failing phase ends where its exception reached the application.
    """
    phases = Phases()
    attempts_left = client.conduct.retries
    client.deadline.start(deadline_s)
    client.probe.begin()
    started = now()
    began = time.perf_counter()
    error = _attempt(client, workload, phases)
    while attempts_left and _lost_its_connection(error):
        attempts_left -= 1
        error = _attempt(client, workload, phases)
    ended = time.perf_counter()
    done = now()
    client.deadline.stop()
    seen = client.probe.end()
    return Measurement(
        started=started,
        done=done,
        latency_s=ended - began,
        phases=phases,
        outcome=classify(
            failed=error is not None,
            deadline_passed=client.deadline.passed,
            replacements=seen.replacements or 0,
        ),
        failure=describe(error) if error else Failure(),
        seen=seen,
    )


def _attempt(client: Client, workload: Workload, phases: Phases) -> Exception | None:
    """Send the request once; what it raised, if it did."""
    clock = time.perf_counter
    phases.error_phase = "checkout"
    began = clock()
    try:
        connection = client.checkout()
    except Exception as error:  # an error is a result here, of whatever class
        phases.checkout_s = (phases.checkout_s or 0.0) + clock() - began
        return error
    checked_out = clock()
    raised: Exception | None = None
    phases.error_phase = "execute"
    try:
        workload(connection)
    except Exception as error:
        raised = error
    executed = clock()
    try:
        client.give_back(connection)
    except Exception as error:
        if raised is None:
            phases.error_phase, raised = "reset", error
    ended = clock()
    phases.checkout_s = (phases.checkout_s or 0.0) + checked_out - began
    phases.execute_s = (phases.execute_s or 0.0) + executed - checked_out
    phases.reset_s = (phases.reset_s or 0.0) + ended - executed
    if raised is None:
        phases.error_phase = None
    return raised


def _lost_its_connection(error: Exception | None) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated
