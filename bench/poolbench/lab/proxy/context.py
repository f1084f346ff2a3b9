"""What all connections of one proxy share."""

import itertools
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from poolbench.lab.proxy.events import EventLog
from poolbench.lab.proxy.facts import Facts
from poolbench.lab.proxy.metrics import Metrics
from poolbench.lab.proxy.pool import Pool
from poolbench.lab.proxy.settings import ProxySettings
from poolbench.lab.proxy.tokens import Tokens

if TYPE_CHECKING:
    from poolbench.lab.proxy.client import ClientConnection

# Ids of client connections begin far above those of the server, so that KILL can tell one from the other.
FIRST_CONNECTION_ID = 1_000_000_001
PAST_CLIENTS = 4096  # closed connections that are still reported


@dataclass(kw_only=True)
class Context:
    """Settings, which may change while it runs, and everything that is counted or shared.

    Whatever grows has a bound: events, series and past clients take 9 MB when all are full.
    """

    settings: ProxySettings
    facts: Facts
    accounts: Mapping[str, str] = field(repr=False)
    tokens: Mapping[str, Tokens]
    tls: ssl.SSLContext | None
    pool: Pool
    metrics: Metrics = field(default_factory=Metrics)
    events: EventLog = field(default_factory=EventLog)
    clients: "dict[int, ClientConnection]" = field(default_factory=dict)
    past_clients: "deque[dict[str, object]]" = field(default_factory=lambda: deque(maxlen=PAST_CLIENTS))
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(FIRST_CONNECTION_ID))
