"""What all connections of one proxy share."""

import itertools
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from poolbench.lab.proxy.config import ProxySettings
from poolbench.lab.proxy.database import Facts
from poolbench.lab.proxy.handshake import Tokens
from poolbench.lab.proxy.monitoring import EventLog, ProxyMetrics
from poolbench.lab.proxy.pool import Pool
from poolbench.lab.proxy.session import ClientSession

# Ids of client connections begin far above those of the server, so that KILL can tell one from the other.
FIRST_CONNECTION_ID = 1_000_000_001
PAST_CLIENTS = 4096  # closed connections that are still reported


class ProxyClient(Protocol):
    """A client connection, as the rest of the proxy sees it."""

    program: str  # program_name of the client's connection attributes

    @property
    def speaks_tls(self) -> bool:
        """Whether what is sent is encrypted."""

    @property
    def session(self) -> ClientSession | None:
        """What the client's commands have set; None until it is logged in."""

    def kill(self, *, query_only: bool) -> int | None:
        """End the connection, unless `query_only`.

        Returns the server's number of the database connection on which a statement of the client runs, to
        be killed there; None if none runs.
        """

    def settings_changed(self) -> None:
        """Apply the current settings."""

    def describe(self) -> dict[str, Any]:
        """Return what the control API says of this connection."""


@dataclass(kw_only=True)
class ProxyContext:
    """Settings, which may change while it runs, and everything that is counted or shared.

    Whatever grows has a bound: events, series and past clients take 9 MB when all are full.
    """

    settings: ProxySettings
    facts: Facts
    accounts: Mapping[str, str] = field(repr=False)
    tokens: Mapping[str, Tokens]
    tls: ssl.SSLContext | None
    pool: Pool
    metrics: ProxyMetrics = field(default_factory=ProxyMetrics)
    events: EventLog = field(default_factory=EventLog)
    clients: dict[int, ProxyClient] = field(default_factory=dict)
    past_clients: "deque[dict[str, object]]" = field(default_factory=lambda: deque(maxlen=PAST_CLIENTS))
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(FIRST_CONNECTION_ID))
