"""What the campaign asks of the function, and what it gets back."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from poolbench.model.columns import flat, unflat
from poolbench.model.row import Visit
from poolbench.typed import BadValue


class BadEvent(ValueError):
    """The event is not an invocation; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstPart:
    """How an invocation takes part in a burst."""

    start_wall_ns: int  # when all begin; an early one waits, so that no environment gets two invocations
    threads: int  # on one engine
    think_s: float  # mean pause before each request, uniform from 0 to twice that


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call: a few requests, back to back, of one cell."""

    visit: Visit
    strategy: str
    label: str  # of the connections, as the server sees them
    endpoint: str  # where they go: `database`, `proxy`, or the proxy's endpoint for a failure mode
    driver: str
    workload: str
    requests: int  # on each thread
    pooled: int  # connections that priming leaves in the pool
    deadline_s: float  # for each request
    idle_client_timeout_s: float  # what the strategies scale to
    due_wall_ns: int
    sent_wall_ns: int
    store: str  # URL
    burst: BurstPart | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return flat(self)

    @classmethod
    def from_dict(cls, event: dict[str, Any]) -> Self:
        """Inverse of `as_dict`.

        Raises:
            BadEvent: a key is missing or unknown, or of another type.

        """
        try:
            return unflat(cls, event)
        except BadValue as error:
            raise BadEvent(f"not an invocation: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationAnswer:
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
