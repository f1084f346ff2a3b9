"""One request, measured: the code whose timing everything else is about."""

import time
from dataclasses import dataclass

from sqlalchemy import Engine

from bench.function.clocks import Instant, now
from bench.function.deadline import Deadline
from bench.function.outcome import Failure, classify, describe
from bench.function.probe import Observation, Probe
from bench.function.record import Outcome
from bench.function.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one request showed; durations in seconds, None for phases it did not reach."""

    started: Instant
    done: Instant
    latency_s: float
    checkout_s: float | None
    execute_s: float | None
    reset_s: float | None
    outcome: Outcome
    failure: Failure | None
    failed_in: str | None
    seen: Observation


def measure(
    engine: Engine, probe: Probe, workload: Workload, deadline: Deadline, deadline_s: float
) -> Measurement:
    """Check out a connection, run the workload, return the connection; never raises what the request raised.

    The phases are what the calling application waits for: checkout with its pings and connects, execute, and
    the return with the pool's ROLLBACK. A failing phase ends where its exception reached the application.
    """
    error: Exception | None = None
    phase = "checkout"
    clock = time.perf_counter
    with deadline.within(deadline_s):
        probe.begin()
        started = now()
        began = checked_out = executed = ended = clock()
        try:
            connection = engine.connect()
            checked_out = clock()
            phase = "execute"
            try:
                workload(connection)
                phase = "reset"
            finally:
                executed = clock()
                connection.close()
        except Exception as raised:  # an error is a result here, of whatever class
            error = raised
        ended = clock()
        done = now()
        seen = probe.end()
    failure = describe(error) if error else None
    reached_execute = checked_out > began
    return Measurement(
        started=started,
        done=done,
        latency_s=ended - began,
        checkout_s=(checked_out if reached_execute else ended) - began,
        execute_s=executed - checked_out if reached_execute else None,
        reset_s=ended - executed if reached_execute else None,
        outcome=classify(
            failed=error is not None, deadline_passed=deadline.passed, replacements=seen.replacements
        ),
        failure=failure,
        failed_in=phase if error else None,
        seen=seen,
    )
