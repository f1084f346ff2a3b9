"""Which environment runs the next invocation, or none: Lambda's concurrency rules as a pure function."""

from collections.abc import Sequence
from enum import Enum, StrEnum
from typing import Protocol, TypeVar

ACCOUNT_CONCURRENCY = 1000  # of a function without reserved concurrency; Lambda's default quota
# On-demand environments end after so much idleness. Of Lambda's it is only documented that they do; it took
# 10 minutes in 2019 (mikhail.io, "AWS Lambda Cold Starts After 10 Minutes"), and 5 to 60 in other years.
KEEP_IDLE_S = 600.0


class State(StrEnum):
    """Where an environment is in its life."""

    INITIALIZING = "initializing"
    FROZEN = "frozen"  # initialised, waiting for an event
    BUSY = "busy"
    DRAINING = "draining"  # has answered, has not asked for the next event yet
    RESET = "reset"  # its runtime was killed or died: the next invocation initialises it again
    GONE = "gone"

    @property
    def available(self) -> bool:
        """Whether an invocation may take it."""
        return self in (State.FROZEN, State.RESET)

    @property
    def in_flight(self) -> bool:
        """Whether it counts against the function's concurrency."""
        return self in (State.INITIALIZING, State.BUSY, State.DRAINING)


class Verdict(Enum):
    """What to do where no environment is free."""

    WAIT = "one is draining"
    START = "start an on-demand environment"
    THROTTLE = "429"


class Candidate(Protocol):
    """What the choice needs to know of an environment."""

    @property
    def version(self) -> str:
        """Function version that it runs."""

    @property
    def provisioned(self) -> bool:
        """Provisioned or on demand."""

    @property
    def state(self) -> State:
        """Where it is in its life."""


Some = TypeVar("Some", bound=Candidate)


def choose(
    environments: Sequence[Some], version: str, *, waiting: int, provisioned: int, limit: int
) -> Some | Verdict:
    """Choose for an invocation of `version`.

    An environment that drains is worth waiting for: its caller has the answer already and may well call
    again at once. Without the wait such a caller would be throttled, or cost a cold start.

    Args:
        environments: all of the function's, the last used last; of equals the last is taken.
        version: that is called.
        waiting: how many callers of this version already wait for one that drains.
        provisioned: provisioned concurrency, which always counts against the limit.
        limit: reserved concurrency, or the account's.

    """
    mine = [found for found in environments if found.version == version]
    spare = limit - provisioned - sum(not e.provisioned and e.state.in_flight for e in environments)
    for found in reversed(mine):
        if found.provisioned and found.state.available:
            return found
    if sum(found.state is State.DRAINING for found in mine) > waiting:
        return Verdict.WAIT
    if spare <= 0:
        return Verdict.THROTTLE
    for found in reversed(mine):
        if found.state.available:
            return found
    return Verdict.START
