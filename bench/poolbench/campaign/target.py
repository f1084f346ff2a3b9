"""What a campaign asks of what is under test. `poolbench.targets` has those that there are.

Three small protocols: a *target* has functions to invoke, its *endpoints* are where they connect to, and a
*fault injector* brings failure modes about. A proxy of another maker is one class, an endpoint.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from poolbench.model.failures import FailureMode
from poolbench.model.header import TargetFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """After how many seconds an endpoint ends connections by itself; None: it does not, or nobody knows."""

    idle_client_timeout_s: float | None = None
    client_lifetime_s: float | None = None


class Endpoint(Protocol):
    """Something that speaks MySQL's protocol, and that functions connect to."""

    @property
    def name(self) -> str:
        """As events call it: `proxy`, `database`, or the proxy's endpoint for a failure mode."""

    @property
    def address(self) -> str:
        """host:port, as the functions reach it."""

    @property
    def limits(self) -> Limits:
        """When it ends connections by itself."""

    def metrics(self) -> Mapping[str, Any] | None:
        """Its counters by name; None: it does not tell."""


class FaultInjector(Protocol):
    """Brings failure modes about."""

    def refuses(self, mode: FailureMode) -> str | None:
        """Why this target cannot have that failure mode; None: it can."""

    def begin(self, failure: str) -> None:
        """Let a failure be there from now on."""

    def end(self, failure: str) -> None:
        """Let it be over."""


class Target(Protocol):
    """What a campaign is run against. Functions are `name:alias`."""

    @property
    def lanes(self) -> tuple[str, ...]:
        """Functions with one execution environment each."""

    @property
    def fleet(self) -> str:
        """Function with as many environments as a burst needs; empty: the target has none."""

    @property
    def sampler(self) -> str:
        """Function that counts connections, and describes the server."""

    @property
    def facts(self) -> TargetFacts:
        """What a reader of the results must know; goes into the header."""

    @property
    def faults(self) -> FaultInjector:
        """Brings failure modes about."""

    def other_labs(self) -> Collection[int]:
        """Processes that run other labs on this machine now, and take its time."""
