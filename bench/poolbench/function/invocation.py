"""What the campaign asks of the function, and what it gets back."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from poolbench.function.record import Role


class BadEvent(ValueError):
    """The event is not an invocation; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """How an invocation takes part in a burst."""

    start_wall_ns: int  # when all begin; who comes too early waits, so that none is free for two invocations
    threads: int  # on one engine
    think_s: float  # mean pause before each request, uniform from 0 to twice that


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call: a few requests, back to back, of one cell."""

    campaign: str
    cell: str
    attempt: int
    sequence: int
    round: int
    role: Role
    strategy: str
    label: str  # of the connections, as the server sees them
    endpoint: str  # "proxy" or "database"
    driver: str
    workload: str
    requests: int  # on each thread
    pooled: int  # connections that priming leaves in the pool
    deadline_s: float  # for each request
    idle_client_timeout_s: float  # what the strategies scale to
    due_wall_ns: int
    sent_wall_ns: int
    store: str  # URL
    burst: Burst | None = None

    @property
    def key(self) -> str:
        """Where the rows go in the store; one object for each invocation, written once."""
        return f"{self.campaign}/rows/{self.cell}/{self.attempt}-{self.sequence:05d}.jsonl"

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, event: dict[str, Any]) -> Self:
        """Inverse of `as_dict`.

        Raises:
            BadEvent: a key is missing or unknown.

        """
        names = {field.name for field in fields(cls)}
        if set(event) != names:
            missing, unknown = sorted(names - set(event)), sorted(set(event) - names)
            raise BadEvent(f"not an invocation: missing {missing}, unknown {unknown}")
        burst = None if event["burst"] is None else Burst(**event["burst"])
        return cls(**{**event, "role": Role(event["role"]), "burst": burst})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the function says of an invocation; small, because the rows are in the store."""

    environment: str
    outcomes: tuple[str, ...]  # one for each request
    first_error: str | None
    stored: str | None  # the key; None when the store failed, and then the rows themselves come along
    rows: tuple[dict[str, Any], ...] = ()
    store_error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self)


def encode_rows(rows: Iterable[dict[str, Any]]) -> bytes:
    """Rows as the store keeps them: JSON Lines, UTF-8."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
