"""The row: one measured request, with the same columns whether it succeeded, failed or hung.

Times are nanoseconds, durations are seconds; None means not applicable or not observed. A new column is a
field with a default here, and the line that measures it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from poolbench.model.columns import flat, part
from poolbench.model.history import SCHEMA


class Role(StrEnum):
    """Why a request was sent."""

    PRIME = "prime"  # opens and uses a connection, so that the gap that follows starts from a live pool
    MEASURE = "measure"
    BURST = "burst"  # at the same time as others, from other threads and environments


class State(StrEnum):
    """What the environment and the pool had lived through, from facts alone, never from a latency."""

    FIRST_IN_ENVIRONMENT = "first_in_environment"
    FIRST_OF_ENGINE = "first_of_engine"  # the environment was in use, the cell's engine was not
    FIRST_AFTER_GAP = "first_after_gap"
    LATER = "later"  # follows another request of the same invocation


class Outcome(StrEnum):
    """What the caller of the request saw."""

    OK = "ok"
    RECONNECTED = "reconnected"  # succeeded, after the pool replaced a connection that it had kept
    ERROR = "error"
    HANG = "hang"  # no answer by the request's deadline

    @property
    def failed(self) -> bool:
        """Whether the caller got no answer."""
        return self in (Outcome.ERROR, Outcome.HANG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Which invocation of which cell."""

    campaign: str
    cell: str
    attempt: int  # 0, or how often the cell had been begun and left unfinished before
    sequence: int  # of the invocation, within cell and attempt
    round: int
    role: Role

    @property
    def key(self) -> str:
        """Where its rows go in the store; one object for each invocation, written once."""
        return f"{self.campaign}/rows/{self.cell}/{self.attempt}-{self.sequence:05d}.jsonl"


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on the wall clock, the monotonic clock and the boottime clock, in nanoseconds.

    Across a freeze the three may disagree, and that is itself a result.
    """

    wall_ns: int
    monotonic_ns: int = 0  # 0 where the client knows the request from outside only
    boottime_ns: int = 0


@dataclass(slots=True)
class Observation:
    """What an engine did during one request, as SQLAlchemy's own events tell."""

    connection_idle_s: float | None = None  # since the connection that the pool offered first was returned
    connect_s: float | None = None  # part of checkout_s; None where no connection was opened
    ping_s: float | None = None  # part of checkout_s; None where none was sent
    connects: int = 0
    replacements: int | None = None  # connects in place of a pooled connection; None: not recorded then
    pings: int = 0
    invalidations: int = 0
    recycles: int = 0  # pooled connections closed for age and replaced
    wire_commands: int | None = None  # client commands sent, authentication as one; None: driver not counted
    connection_id: int | None = None  # the server's (or proxy's) id of the connection last used


@dataclass(slots=True)
class Phases:
    """Seconds spent in each phase, over all attempts; None for a phase that none reached."""

    checkout_s: float | None = None
    execute_s: float | None = None
    reset_s: float | None = None  # return to the pool, with its ROLLBACK, or close
    error_phase: str | None = None  # of the last attempt: checkout, execute or reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong, in the driver's own words; all None where nothing did."""

    error_class: str | None = None  # pymysql.err.OperationalError, sqlalchemy.exc.TimeoutError, ...
    error_code: int | None = None  # native code: 2006, 2013, 4031, 1040, 9501, ...
    error_message: str | None = None
    connection_invalidated: bool | None = None  # SQLAlchemy's verdict on the error; None: it made none


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request."""

    schema: int = SCHEMA
    visit: Visit
    thread: int = 0  # of the environment; only a burst has more than one
    request: int  # ordinal within the invocation, on its thread
    state: State

    environment: str  # id of the execution environment, made when the function was initialised
    initialization: str  # on-demand, provisioned-concurrency, ...
    environment_ordinal: int  # requests that this environment had answered before, of any cell
    engine_ordinal: int  # requests that this cell's engine had answered before

    due_wall_ns: int  # when the schedule wanted the request sent; for a later request, when it started
    sent_wall_ns: int  # when the client invoked the function
    started: Instant = part("started_")
    done: Instant = part("done_")  # when the outcome was known

    gap_s: float | None  # since the engine's previous request was done, boottime clock
    latency_s: float  # request start to outcome: checkout + execute + reset
    phases: Phases = field(default_factory=Phases)
    seen: Observation = field(default_factory=Observation)
    outcome: Outcome
    failure: Failure = Failure()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, a key for each column."""
        return flat(self)


def encode_rows(rows: Iterable[dict[str, Any]]) -> bytes:
    """Rows as the store keeps them: JSON Lines, UTF-8."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
