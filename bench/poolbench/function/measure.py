"""One request, measured: the code whose timing everything else is about; and many of them at once."""

import random
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from poolbench.function.client import Client
from poolbench.function.clocks import now
from poolbench.function.workload import Workload
from poolbench.model.invocation import BurstPart
from poolbench.model.row import Failure, Instant, Observation, Outcome, Phases

# asyncio's messages show where code lies, which is another place on each machine.
_DIRECTORY = re.compile(r"(?:/[^\s/:'\"<>]+)+/(?=[^\s/:'\"<>]+\.py\b)")


def describe(error: BaseException) -> Failure:
    """Unwrap SQLAlchemy's exception to the driver's and keep SQLAlchemy's verdict on the connection."""
    original: BaseException = error
    invalidated = None
    if isinstance(error, DBAPIError):
        invalidated = error.connection_invalidated
        original = error.orig or error
    code = next((part for part in original.args[:1] if isinstance(part, int)), None)
    message = original.args[1] if code is not None and len(original.args) > 1 else original
    kind = type(original)
    text = _DIRECTORY.sub("", str(message))
    return Failure(
        error_class=f"{kind.__module__}.{kind.__qualname__}",
        error_code=code,
        error_message=text,
        connection_invalidated=invalidated,
    )


def classify(*, failed: bool, deadline_passed: bool, replacements: int) -> Outcome:
    """Decide the outcome.

    Args:
        failed: the caller got an exception.
        deadline_passed: the request had to be cut off, whatever it raised or returned then.
        replacements: connections opened in place of one that the pool had held before.

    """
    if deadline_passed:
        return Outcome.HANG
    if failed:
        return Outcome.ERROR
    return Outcome.RECONNECTED if replacements else Outcome.OK


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


def hold(until_wall_ns: int) -> None:
    """Return at that time; at once if it has passed."""
    time.sleep(max(0.0, (until_wall_ns - time.time_ns()) / 1e9))


def take_part(
    burst: BurstPart, client: Client, workload: Workload, requests: int, deadline_s: float
) -> Sequence[Sequence[Measurement]]:
    """Send `requests` one after the other on each thread; what each thread measured.

    A closed loop: no thread sends a request before its last one is answered, so a server that is slow is
    asked less often. With one thread it is the main one, as in any handler.
    """
    if burst.threads == 1:
        hold(burst.start_wall_ns)
        return [_loop(burst, client, workload, requests, deadline_s)]
    client.settle()  # once, not on each thread
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 (most functions never need it)

    together = threading.Barrier(burst.threads)

    def begin(_number: int) -> Sequence[Measurement]:
        together.wait()  # also keeps a thread of the executor from taking two parts
        hold(burst.start_wall_ns)
        return _loop(burst, client.on_thread(), workload, requests, deadline_s)

    with ThreadPoolExecutor(burst.threads) as threads:
        return list(threads.map(begin, range(burst.threads)))


def _loop(
    burst: BurstPart, client: Client, workload: Workload, requests: int, deadline_s: float
) -> Sequence[Measurement]:
    measured = []
    for _ in range(requests):
        time.sleep(random.uniform(0, 2 * burst.think_s))
        measured.append(measure(client, workload, deadline_s))
    return measured
