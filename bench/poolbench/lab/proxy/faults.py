"""Failure modes that the proxy simulates, by name."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class ProxyFault(StrEnum):
    """What a listener does to its clients; one at a time."""

    IDLE_CLOSE = "idle_close"
    IDLE_CLOSE_NOTIFY = "idle_close_notify"
    IDLE_ERROR = "idle_error"
    IDLE_RESET = "idle_reset"
    BLACK_HOLE = "black_hole"
    SERVER_RESTART = "server_restart"
    REFUSED_CONNECTS = "refused_connects"
    BORROW_EXHAUSTION = "borrow_exhaustion"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class FaultDescription:
    """What a failure looks like, and what it stands for."""

    does: str
    stands_for: str


DESCRIPTIONS = MappingProxyType(
    {
        ProxyFault.IDLE_CLOSE: FaultDescription(
            "FIN after IdleClientTimeout, without an error packet",
            "RDS Proxy's idle client timeout, as far as known",
        ),
        ProxyFault.IDLE_CLOSE_NOTIFY: FaultDescription(
            "TLS close_notify, then FIN, after IdleClientTimeout; without TLS just FIN",
            "the idle client timeout of a proxy that shuts TLS down cleanly",
        ),
        ProxyFault.IDLE_ERROR: FaultDescription(
            "ERR 4031, then FIN, after IdleClientTimeout",
            "wait_timeout of MySQL from 8.0.24 on",
        ),
        ProxyFault.IDLE_RESET: FaultDescription(
            "RST after IdleClientTimeout", "wait_timeout of MariaDB, and firewalls"
        ),
        ProxyFault.BLACK_HOLE: FaultDescription(
            "after IdleClientTimeout the connection stays open but is never answered",
            "NAT gateways, load balancers and Nitro v6 interfaces, which forget a flow after 350 s",
        ),
        ProxyFault.SERVER_RESTART: FaultDescription(
            "all database connections end, and new ones fail until the failure is switched off",
            "a restart or failover of the database",
        ),
        ProxyFault.REFUSED_CONNECTS: FaultDescription(
            "new connections are refused, open ones go on", "a proxy endpoint that is being replaced"
        ),
        ProxyFault.BORROW_EXHAUSTION: FaultDescription(
            "no database connection can be borrowed: 9501 after ConnectionBorrowTimeout",
            "a pool that is full of long transactions or pinned sessions",
        ),
        ProxyFault.PAUSE: FaultDescription(
            "the proxy reads nothing from clients or the database until the failure is switched off",
            "a stall of the network or of the proxy",
        ),
    }
)
