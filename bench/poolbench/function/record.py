"""The row: one measured request, with the same schema whether it succeeded, failed or hung.

Schema history
--------------
1. First version.
2. `thread`: several may share an engine in a burst; `role` may be `burst`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

SCHEMA = 2


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
    STEADY = "steady"  # follows another request of the same invocation


class Outcome(StrEnum):
    """What the caller of the request saw."""

    OK = "ok"
    RECONNECTED = "reconnected"  # succeeded, after the pool replaced a connection that it had held
    ERROR = "error"
    HANG = "hang"  # no answer by the request's deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request. Times are nanoseconds, durations seconds; None means not applicable or not observed."""

    schema: int
    campaign: str
    cell: str
    attempt: int  # 0, or how often the cell had been begun and left unfinished before
    sequence: int  # of the invocation, within cell and attempt
    thread: int  # of the environment, from 0; only a burst has more than one
    request: int  # ordinal within the invocation, on its thread
    round: int
    role: Role
    state: State

    environment: str  # id of the execution environment, made when the function was imported
    initialization: str  # on-demand, provisioned-concurrency, ...
    environment_ordinal: int  # requests that this environment had answered before, of any cell
    engine_ordinal: int  # requests that this cell's engine had answered before

    due_wall_ns: int  # when the schedule wanted the request sent; for a steady request, when it started
    sent_wall_ns: int  # when the client invoked the function
    started_wall_ns: int  # the three clocks as the request started ...
    started_monotonic_ns: int
    started_boottime_ns: int
    done_wall_ns: int  # ... and when its outcome was known
    done_monotonic_ns: int
    done_boottime_ns: int

    gap_s: float | None  # since the engine's previous request was done, boottime clock
    connection_idle_s: float | None  # since the connection that the pool offered first was last returned

    latency_s: float  # request start to outcome: checkout + execute + reset
    checkout_s: float | None
    connect_s: float | None  # part of checkout_s; None where no connection was opened
    ping_s: float | None  # part of checkout_s; None where none was sent
    execute_s: float | None
    reset_s: float | None  # return to the pool, with its ROLLBACK, or close

    connects: int
    pings: int
    invalidations: int
    recycles: int  # pooled connections closed for age and replaced
    wire_commands: int | None  # client commands sent, authentication counted as one; None: driver not counted

    outcome: Outcome
    error_class: str | None  # of the driver's own exception where there is one
    error_code: int | None  # native code: 2006, 2013, 4031, 1040, 9501, ...
    error_message: str | None
    error_phase: str | None  # checkout, execute or reset
    connection_invalidated: bool | None  # SQLAlchemy's verdict on the error; None where there was none
    connection_id: int | None  # the server's (or proxy's) id of the connection last used

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, in the order of the fields."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Inverse of `as_dict`.

        Raises:
            ValueError: a field is missing, unknown or of another type; the message names it.

        """
        problems = validate(data)
        if problems:
            raise ValueError("; ".join(problems))
        enums: dict[str, type[StrEnum]] = {"role": Role, "state": State, "outcome": Outcome}
        typed: dict[str, Any] = {
            name: enums[name](value) if name in enums else value for name, value in data.items()
        }
        return cls(**typed)


# By version: the fields that it added, with what every older row would have said.
ADDED: Mapping[int, Mapping[str, Any]] = MappingProxyType({2: MappingProxyType({"thread": 0})})


def upgraded(data: dict[str, Any]) -> dict[str, Any]:
    """Make a row of an older version one of the current; what is no such row stays as it is."""
    version = data.get("schema")
    if not isinstance(version, int) or not 1 <= version < SCHEMA:
        return data
    for later in range(version + 1, SCHEMA + 1):
        data = {**ADDED[later], **data, "schema": later}
    return data


_TYPES: dict[str, Any] = get_type_hints(Row)
FIELDS = tuple(field.name for field in fields(Row))


def _accepts(kind: Any, value: Any) -> bool:
    if get_origin(kind) is UnionType:
        return any(_accepts(part, value) for part in get_args(kind))
    if kind is NoneType:
        return value is None
    if issubclass(kind, StrEnum):
        return value in tuple(kind)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return isinstance(value, kind)


def validate(data: dict[str, Any]) -> list[str]:
    """Every way in which `data` is not a row of the current schema; empty when it is one."""
    problems = [f"missing {name}" for name in FIELDS if name not in data]
    problems += [f"unknown field {name}" for name in data if name not in _TYPES]
    for name in FIELDS:
        if name in data and not _accepts(_TYPES[name], data[name]):
            problems.append(f"{name}: {data[name]!r} is not {_TYPES[name]}")
    if not problems and data["schema"] != SCHEMA:
        problems.append(f"schema: {data['schema']} is not {SCHEMA}")
    return problems
