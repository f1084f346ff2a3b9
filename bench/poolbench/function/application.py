"""One execution environment of the benchmark function: the engines of its cells, and its invocations."""

import contextlib
import functools
import gc
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.exc import DBAPIError

from poolbench.function import drivers
from poolbench.function.client import Client
from poolbench.function.clocks import boottime_ns
from poolbench.function.config import Config, address_of, token_source
from poolbench.function.measure import Measurement, hold, measure, take_part
from poolbench.function.probe import arrivals
from poolbench.function.strategies import CONTROL, REFERENCE, Setting, get
from poolbench.function.workload import Workload, get_workload, point_select
from poolbench.model.invocation import Invocation, InvocationAnswer
from poolbench.model.row import Role, Row, State, encode_rows
from poolbench.store import Store, StoreError, open_store


class EngineFailed(Exception):
    """The strategy could not make its engine; the message is the error's own, without the password."""


@dataclass(slots=True)
class LiveCell:
    """A cell's client and its past in this environment; kept until another attempt or campaign begins."""

    client: Client
    attempt: int = 0
    requests: int = 0
    last_done_ns: int | None = None  # boottime

    def gap_s(self, now_ns: int) -> float | None:
        """Seconds since the last request was done, boottime."""
        return None if self.last_done_ns is None else (now_ns - self.last_done_ns) / 1e9


@dataclass(slots=True)
class Application:
    """What an execution environment keeps from one invocation to the next."""

    config: Config
    connect_at_init: str | None = None  # endpoint to connect to while initialising; usually none
    campaign: str = ""  # whose cells these are
    cells: dict[str, LiveCell] = field(default_factory=dict)
    requests: int = 0
    early: Client | None = None  # connected at init, for the reference's first cell on that endpoint

    @classmethod
    def start(cls, environment: Mapping[str, str]) -> "Application":
        """Do what the code at the top of a handler's module does, with these environment variables.

        Raises:
            BadConfiguration: a variable is missing or wrong.

        """
        made = cls(Config.load(), environment.get("POOLBENCH_CONNECT_AT_INIT"))
        if made.connect_at_init:
            # With provisioned concurrency this is long before any request.
            made.early = made._client(REFERENCE, drivers.DEFAULT, made.connect_at_init, "init", math.inf)
            with contextlib.suppress(DBAPIError):  # the request that follows connects, or tells
                made.early.engine.connect().close()
        return made

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        """Take the requests of one invocation, put their rows into the store, and answer with a summary.

        Raises:
            BadEvent: the event is not an invocation.
            UnknownWorkload: it names an unknown workload.
            UnknownDriver: it names an unknown driver.
            UnknownStrategy: it names an unknown strategy.
            EngineFailed: the strategy's own code failed.

        """
        if event.get("action") == "forget":
            return self._forget(event["until_wall_ns"])
        invocation = Invocation.from_dict(event)
        cell = self.cell_of(invocation)
        workload = _workload(invocation)
        rows = drivers.get(invocation.driver).run(lambda: self._requests(invocation, cell, workload))
        return self._deliver(invocation, rows).as_dict()

    def close_all(self) -> None:
        """Close all that cells have left open here, and free what they took."""
        if not self.cells:
            return
        while self.cells:
            self.cells.popitem()[1].client.close()
        # An engine is full of cycles. Left to themselves they gather for hours, and the collection that finds
        # them at last falls into somebody's measured request.
        gc.collect()

    def cell_of(self, invocation: Invocation) -> LiveCell:
        """Find or make the cell's client. An environment outlives campaigns; each begins with nothing.

        Raises:
            UnknownDriver: the name is not a driver's.
            UnknownStrategy: the name is not a strategy's.
            EngineFailed: the strategy's own code failed.

        """
        visit = invocation.visit
        if self.campaign != visit.campaign:
            self.close_all()
            self.campaign = visit.campaign
        cell = self.cells.get(visit.cell)
        if cell is None or cell.attempt != visit.attempt:
            if cell:
                cell.client.close()
            cell = self.cells[visit.cell] = self._new_cell(invocation)
            cell.attempt = visit.attempt
        return cell

    def _new_cell(self, invocation: Invocation) -> LiveCell:
        if invocation.strategy == CONTROL:
            return LiveCell(Client(None, None))
        wanted = (invocation.strategy, invocation.driver, invocation.endpoint)
        if self.early and wanted == (REFERENCE, drivers.DEFAULT, self.connect_at_init):
            early, self.early = self.early, None
            return LiveCell(early)
        return LiveCell(self._client(*wanted, invocation.label, invocation.idle_client_timeout_s))

    def _client(
        self, strategy_name: str, driver_name: str, endpoint: str, label: str, idle_client_timeout_s: float
    ) -> Client:
        driver = drivers.get(driver_name)
        url = self.config.url(address_of(endpoint), driver.scheme)
        setting = Setting(
            url=url,
            idle_client_timeout_s=idle_client_timeout_s,
            label=label,
            driver=driver,
            tls=self.config.tls,
            tokens=token_source(url),
        )
        strategy = get(strategy_name)
        try:
            return Client(strategy, setting, arrivals(driver_name, endpoint))
        except Exception as error:  # of whatever class: a user's engine is made by their code
            # Not chained: Lambda would log the first error, and what it tells, too.
            raise EngineFailed(self.config.secret.masked(f"{type(error).__name__}: {error}")) from None

    def _requests(self, invocation: Invocation, cell: LiveCell, workload: Workload) -> list[Row]:
        rows = []
        cell.client.begin(cell.gap_s(boottime_ns()))
        if invocation.visit.role is Role.PRIME and invocation.pooled > 1:
            cell.client.fill(invocation.pooled)
        for thread, request, measured in _measured(invocation, cell.client, workload):
            rows.append(self._row(invocation, thread, request, cell, measured))
            cell.last_done_ns = boottime_ns()
            cell.requests += 1
            self.requests += 1
        cell.client.end()
        return rows

    def _row(
        self, invocation: Invocation, thread: int, request: int, cell: LiveCell, measured: Measurement
    ) -> Row:
        failure = measured.failure
        if failure.error_message is not None:
            failure = replace(failure, error_message=self.config.secret.masked(failure.error_message))
        return Row(
            visit=invocation.visit,
            thread=thread,
            request=request,
            state=self._state(request > 0 or thread > 0, cell),
            environment=self.config.environment,
            initialization=self.config.initialization,
            environment_ordinal=self.requests,
            engine_ordinal=cell.requests,
            due_wall_ns=measured.started.wall_ns if request else invocation.due_wall_ns,
            sent_wall_ns=invocation.sent_wall_ns,
            started=measured.started,
            done=measured.done,
            gap_s=None if invocation.burst else cell.gap_s(measured.started.boottime_ns),
            latency_s=measured.latency_s,
            phases=measured.phases,
            seen=measured.seen,
            outcome=measured.outcome,
            failure=failure,
        )

    def _state(self, follows: bool, cell: LiveCell) -> State:
        if self.requests == 0:
            return State.FIRST_IN_ENVIRONMENT
        if cell.requests == 0:
            return State.FIRST_OF_ENGINE
        return State.LATER if follows else State.FIRST_AFTER_GAP

    def _forget(self, until_wall_ns: int) -> dict[str, Any]:
        """Close all that cells left open here; busy until then, so that every environment can be asked."""
        self.close_all()
        hold(until_wall_ns)
        return {"environment": self.config.environment}

    def _deliver(self, invocation: Invocation, rows: list[Row]) -> InvocationAnswer:
        """Write the rows to the store; if it refuses, let them travel home in the answer instead."""
        plain = tuple(row.as_dict() for row in rows)
        answer = InvocationAnswer(
            environment=self.config.environment,
            outcomes=tuple(row.outcome.value for row in rows),
            first_error=next((row.failure.error_message for row in rows if row.failure.error_message), None),
            stored=invocation.visit.key,
        )
        try:
            _store(invocation.store).put_new(invocation.visit.key, encode_rows(plain))
        except StoreError as error:
            return replace(answer, stored=None, rows=plain, store_error=str(error))
        return answer


@functools.cache
def _store(url: str) -> Store:
    return open_store(url)


def _workload(invocation: Invocation) -> Workload:
    if invocation.strategy == CONTROL and ":" in invocation.workload:
        return point_select  # the control's SQLite knows nothing of a user's tables
    return get_workload(invocation.workload)


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
