"""What can happen to a cell's connections while a campaign runs, one entry each.

Those of the lab's proxy are called as it calls them (`poolbench.lab.proxy.faults`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

USUAL = "idle_close"  # what RDS Proxy does after its idle client timeout


class When(StrEnum):
    """When a failure is there."""

    ALWAYS = "always"  # it needs the gap to be long enough
    IN_THE_GAP = "in the gap"  # at its end, and over before the request
    AT_THE_REQUEST = "at the request"  # from just before the invocation to just after it


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureMode:
    """A failure, and how a campaign brings it about."""

    name: str
    when: When
    direct: bool = False  # of connections to the database itself, past the proxy
    reaches_all: bool = False  # it ends every cell's connections to the database, not its own alone
    on_aws: bool = False  # it happens there by itself
    does: str = ""  # of those that the lab's proxy does not describe
    stands_for: str = ""

    @property
    def endpoint(self) -> str:
        """Where its cells connect to; each of the proxy's failures has an endpoint of its own."""
        if self.direct:
            return "database"
        return "proxy" if self.name == USUAL else f"proxy_{self.name}"


_ENTRIES = (
    FailureMode(name=USUAL, when=When.ALWAYS, on_aws=True),
    FailureMode(name="idle_close_notify", when=When.ALWAYS),
    FailureMode(name="idle_error", when=When.ALWAYS),
    FailureMode(name="idle_reset", when=When.ALWAYS),
    FailureMode(name="black_hole", when=When.ALWAYS),
    FailureMode(
        name="direct",
        when=When.ALWAYS,
        direct=True,
        on_aws=True,
        does="no proxy, and nothing happens to connections, however long they are idle",
        stands_for="a database without a proxy, and a wait_timeout that is never reached",
    ),
    FailureMode(
        name="wait_timeout",
        when=When.ALWAYS,
        direct=True,
        reaches_all=True,
        on_aws=True,
        does="no proxy: the server ends connections that are idle for as long as the idle client timeout",
        stands_for="wait_timeout of the database, which is 8 h by default",
    ),
    FailureMode(name="server_restart", when=When.IN_THE_GAP),
    FailureMode(
        name="server_restart_direct",
        when=When.IN_THE_GAP,
        direct=True,
        reaches_all=True,
        does="no proxy: the server process is stopped and started again",
        stands_for="a reboot, or a failover without a proxy",
    ),
    FailureMode(name="refused_connects", when=When.AT_THE_REQUEST),
    FailureMode(name="borrow_exhaustion", when=When.AT_THE_REQUEST),
    FailureMode(name="pause", when=When.AT_THE_REQUEST),
    FailureMode(
        name="too_many_connections",
        when=When.AT_THE_REQUEST,
        direct=True,
        does="no proxy: the server has no connection left, and whoever connects gets 1040",
        stands_for="more environments than max_connections, none of which gives its connection back",
    ),
)
MODES: Mapping[str, FailureMode] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
