"""The benchmark Lambda: a few measured requests for each invocation, one engine for each cell."""

import functools
from collections.abc import Iterable
from typing import Any

from poolbench.function import drivers
from poolbench.function.burst import hold, take_part
from poolbench.function.client import Client
from poolbench.function.clocks import boottime_ns
from poolbench.function.environment import CONFIG, ENVIRONMENT, Cell, cell_of, close_all
from poolbench.function.invocation import Answer, Invocation, encode_rows
from poolbench.function.measure import Measurement, measure
from poolbench.function.probe import count_commands
from poolbench.function.record import SCHEMA, Role, Row, State
from poolbench.function.strategies import CONTROL
from poolbench.function.workload import Workload, get_workload, point_select
from poolbench.store import Store, StoreError, open_store

count_commands()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Lambda's entry point: the requests of one invocation, their rows into the store, a summary back.

    Raises:
        BadEvent: the event is not an invocation.
        UnknownWorkload: it names an unknown workload.
        UnknownDriver: it names an unknown driver.
        UnknownStrategy: it names an unknown strategy.
        EngineFailed: the strategy's own code failed.

    """
    if event.get("action") == "forget":
        return _forget(event["until_wall_ns"])
    invocation = Invocation.from_dict(event)
    cell = cell_of(invocation)
    workload = _workload(invocation)
    rows = drivers.get(invocation.driver).run(lambda: _requests(invocation, cell, workload))
    return _deliver(invocation, rows).as_dict()


def _workload(invocation: Invocation) -> Workload:
    if invocation.strategy == CONTROL and ":" in invocation.workload:
        return point_select  # the control's SQLite knows nothing of somebody's own tables
    return get_workload(invocation.workload)


def _requests(invocation: Invocation, cell: Cell, workload: Workload) -> list[Row]:
    rows = []
    cell.client.begin(cell.gap_s(boottime_ns()))
    if invocation.role is Role.PRIME and invocation.pooled > 1:
        cell.client.fill(invocation.pooled)
    for thread, request, measured in _measured(invocation, cell.client, workload):
        rows.append(_row(invocation, thread, request, cell, measured))
        cell.note_done()
    cell.client.end()
    return rows


def _measured(
    invocation: Invocation, client: Client, workload: Workload
) -> Iterable[tuple[int, int, Measurement]]:
    """Thread, ordinal on it and result of each request, in the order in which they began."""
    requests, deadline_s = invocation.requests, invocation.deadline_s
    if invocation.burst is None:
        return ((0, request, measure(client, workload, deadline_s)) for request in range(requests))
    taken = take_part(invocation.burst, client, workload, requests, deadline_s)
    found = [
        (thread, request, measured)
        for thread, measurements in enumerate(taken)
        for request, measured in enumerate(measurements)
    ]
    return sorted(found, key=lambda each: each[2].started.monotonic_ns)


def _forget(until_wall_ns: int) -> dict[str, Any]:
    """Close all that cells have left open here; busy until then, so that every environment can be asked."""
    close_all()
    hold(until_wall_ns)
    return {"environment": CONFIG.environment}


def _state(follows: bool, cell: Cell) -> State:
    if ENVIRONMENT.requests == 0:
        return State.FIRST_IN_ENVIRONMENT
    if cell.requests == 0:
        return State.FIRST_OF_ENGINE
    return State.STEADY if follows else State.FIRST_AFTER_GAP


def _row(invocation: Invocation, thread: int, request: int, cell: Cell, measured: Measurement) -> Row:
    seen, failure, phases = measured.seen, measured.failure, measured.phases
    started, done = measured.started, measured.done
    return Row(
        schema=SCHEMA,
        campaign=invocation.campaign,
        cell=invocation.cell,
        attempt=invocation.attempt,
        sequence=invocation.sequence,
        thread=thread,
        request=request,
        round=invocation.round,
        role=Role(invocation.role),
        state=_state(request > 0 or thread > 0, cell),
        environment=CONFIG.environment,
        initialization=CONFIG.initialization,
        environment_ordinal=ENVIRONMENT.requests,
        engine_ordinal=cell.requests,
        due_wall_ns=started.wall_ns if request else invocation.due_wall_ns,
        sent_wall_ns=invocation.sent_wall_ns,
        started_wall_ns=started.wall_ns,
        started_monotonic_ns=started.monotonic_ns,
        started_boottime_ns=started.boottime_ns,
        done_wall_ns=done.wall_ns,
        done_monotonic_ns=done.monotonic_ns,
        done_boottime_ns=done.boottime_ns,
        gap_s=None if invocation.burst else cell.gap_s(started.boottime_ns),
        connection_idle_s=seen.connection_idle_s,
        latency_s=measured.latency_s,
        checkout_s=phases.checkout_s,
        connect_s=seen.connect_s,
        ping_s=seen.ping_s,
        execute_s=phases.execute_s,
        reset_s=phases.reset_s,
        connects=seen.connects,
        pings=seen.pings,
        invalidations=seen.invalidations,
        recycles=seen.recycles,
        wire_commands=seen.wire_commands,
        outcome=measured.outcome,
        error_class=failure.error_class if failure else None,
        error_code=failure.code if failure else None,
        error_message=CONFIG.secret.masked(failure.message) if failure else None,
        error_phase=phases.failed_in,
        connection_invalidated=failure.invalidated if failure else None,
        connection_id=seen.connection_id,
    )


@functools.cache
def _store(url: str) -> Store:
    return open_store(url)


def _deliver(invocation: Invocation, rows: list[Row]) -> Answer:
    """Write the rows to the store; if it refuses, let them travel home in the answer instead."""
    first_error = next((row.error_message for row in rows if row.error_message), None)
    outcomes = tuple(row.outcome.value for row in rows)
    plain = tuple(row.as_dict() for row in rows)
    try:
        _store(invocation.store).put_new(invocation.key, encode_rows(plain))
    except StoreError as error:
        return Answer(
            environment=CONFIG.environment,
            outcomes=outcomes,
            first_error=first_error,
            stored=None,
            rows=plain,
            store_error=str(error),
        )
    return Answer(
        environment=CONFIG.environment, outcomes=outcomes, first_error=first_error, stored=invocation.key
    )
