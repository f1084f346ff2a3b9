"""The benchmark Lambda: a few measured requests for each invocation, one engine for each cell."""

import contextlib
import functools
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import DBAPIError

from bench.function import drivers
from bench.function.arrivals import arrivals
from bench.function.burst import hold, take_part
from bench.function.client import Client
from bench.function.clocks import boottime_ns
from bench.function.config import Config, address_of
from bench.function.invocation import Answer, Invocation, encode_rows
from bench.function.measure import Measurement, measure
from bench.function.probe import count_commands
from bench.function.record import SCHEMA, Role, Row, State
from bench.function.strategies import CONTROL, REFERENCE, Setting, get
from bench.function.tokens import token_source
from bench.function.workload import Workload, get_workload, point_select
from bench.store import Store, StoreError, open_store

CONFIG = Config.load()
count_commands()


@dataclass(slots=True)
class Cell:
    """A cell's client and its past in this environment; kept until another attempt or campaign begins."""

    client: Client
    attempt: int = 0
    requests: int = 0
    last_done_ns: int | None = None  # boottime

    def gap_s(self, now_ns: int) -> float | None:
        """Seconds since the last request was done, boottime."""
        return None if self.last_done_ns is None else (now_ns - self.last_done_ns) / 1e9

    def note_done(self) -> None:
        """Another request is done."""
        self.last_done_ns = boottime_ns()
        self.requests += 1
        ENVIRONMENT.requests += 1


@dataclass(slots=True)
class Environment:
    """What this execution environment has seen."""

    campaign: str = ""  # whose cells these are
    cells: dict[str, Cell] = field(default_factory=dict)
    requests: int = 0
    early: Client | None = None  # connected at init, for the reference's first cell on EARLY


ENVIRONMENT = Environment()
EARLY = os.environ.get("POOLBENCH_CONNECT_AT_INIT")  # endpoint to connect to while initialising; usually none


class EngineFailed(Exception):
    """The strategy could not make its engine; the message is the error's own, without the password."""


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
    cell = _cell(invocation)
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
    _close_all()
    hold(until_wall_ns)
    return {"environment": CONFIG.environment}


def _close_all() -> None:
    while ENVIRONMENT.cells:
        ENVIRONMENT.cells.popitem()[1].client.close()


def _cell(invocation: Invocation) -> Cell:
    """The cell's client. A deployed environment outlives campaigns: what one left is none of the next's."""
    if ENVIRONMENT.campaign != invocation.campaign:
        _close_all()
        ENVIRONMENT.campaign = invocation.campaign
    cell = ENVIRONMENT.cells.get(invocation.cell)
    if cell is None or cell.attempt != invocation.attempt:
        if cell:
            cell.client.close()
        cell = ENVIRONMENT.cells[invocation.cell] = _new_cell(invocation)
        cell.attempt = invocation.attempt
    return cell


def _new_cell(invocation: Invocation) -> Cell:
    if invocation.strategy == CONTROL:
        return Cell(Client(None, None))
    wanted = (invocation.strategy, invocation.driver, invocation.endpoint)
    if ENVIRONMENT.early and wanted == (REFERENCE, drivers.DEFAULT, EARLY):
        early, ENVIRONMENT.early = ENVIRONMENT.early, None
        return Cell(early)
    return Cell(_client(*wanted, invocation.label, invocation.idle_client_timeout_s))


def _client(
    strategy_name: str, driver_name: str, endpoint: str, label: str, idle_client_timeout_s: float
) -> Client:
    driver = drivers.get(driver_name)
    url = CONFIG.url(address_of(endpoint), driver.scheme)
    setting = Setting(
        url=url,
        idle_client_timeout_s=idle_client_timeout_s,
        label=label,
        driver=driver,
        tls=CONFIG.tls,
        tokens=token_source(url),
    )
    strategy = get(strategy_name)
    try:
        return Client(strategy, setting, arrivals(driver_name, endpoint))
    except Exception as error:  # of whatever class: an engine of somebody's own is made by their code
        # Not chained: Lambda would log the first error, and what it tells, too.
        raise EngineFailed(CONFIG.secret.masked(f"{type(error).__name__}: {error}")) from None


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


def _connect_early(endpoint: str) -> Client:
    """Do what code at the top of a module does: with provisioned concurrency, long before any request."""
    client = _client(REFERENCE, drivers.DEFAULT, endpoint, "init", math.inf)
    with contextlib.suppress(DBAPIError):  # the request that follows connects, or tells
        client.engine.connect().close()
    return client


if EARLY:
    ENVIRONMENT.early = _connect_early(EARLY)
