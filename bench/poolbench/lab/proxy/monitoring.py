"""What the proxy records for its users: counters, the same over time, and the events of connections."""

import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

Value = float | Mapping[str, float]  # of a metric, or of each of its groups


class LatencySum:
    """Number and sum of durations, of which CloudWatch shows the average over a minute, in microseconds."""

    __slots__ = ("count", "total_s")

    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.count += 1
        self.total_s += seconds

    def summary(self) -> Mapping[str, float]:
        """Return the average since the start, and the sum and count to compute it over any interval."""
        sum_us = self.total_s * 1e6
        return {"average": sum_us / self.count if self.count else 0.0, "sum": sum_us, "count": self.count}


class ProxyMetrics:
    """Counters since the start; `server` adds the gauges."""

    def __init__(self) -> None:
        self.clients_received = 0
        self.clients_set_up = 0
        self.failed_auth = 0
        self.clients_closed: Counter[str] = Counter()  # by reason
        self.database_requests = 0
        self.database_requests_tls = 0
        self.database_set_up = 0
        self.database_set_up_failed = 0
        self.commands = 0  # from clients, only those with an answer
        self.queries = 0
        self.queries_tls = 0
        self.pins: Counter[str] = Counter()  # by reason
        self.borrow_latency = LatencySum()
        self.response_latency = LatencySum()  # from command to answer
        self.database_latency = LatencySum()  # of that, the database's part

    def as_dict(self) -> dict[str, Value]:
        """Return each name with its value, or with its values by group."""
        return {
            "ClientConnectionsReceived": self.clients_received,
            "ClientConnectionsSetupSucceeded": self.clients_set_up,
            "ClientConnectionsSetupFailedAuth": self.failed_auth,
            "ClientConnectionsClosed": dict(self.clients_closed),
            "DatabaseConnectionRequests": self.database_requests,
            "DatabaseConnectionRequestsWithTLS": self.database_requests_tls,
            "DatabaseConnectionsSetupSucceeded": self.database_set_up,
            "DatabaseConnectionsSetupFailed": self.database_set_up_failed,
            "ClientCommands": self.commands,  # as SessionPins, not one of CloudWatch's
            "QueryRequests": self.queries,
            "QueryRequestsTLS": self.queries_tls,
            "QueryRequestsNoTLS": self.queries - self.queries_tls,
            "DatabaseConnectionsBorrowLatency": self.borrow_latency.summary(),
            "QueryResponseLatency": self.response_latency.summary(),
            "QueryDatabaseResponseLatency": self.database_latency.summary(),
            "SessionPins": dict(self.pins),  # which CloudWatch does not have
        }


INTERVAL_S = 1.0
SAMPLES_KEPT = 1800  # samples; older ones are forgotten


class MetricSeries:
    """Samples of what `read` returns, with the groups of a metric added up."""

    def __init__(self, read: Callable[[], dict[str, Value]]) -> None:
        self._read = read
        self._samples: deque[tuple[int, tuple[float, ...]]] = deque(maxlen=SAMPLES_KEPT)
        self._names: tuple[str, ...] = ()

    def sample(self) -> None:
        """Add a sample, of now."""
        metrics = {
            name: value if isinstance(value, (int, float)) else value.get("average", sum(value.values()))
            for name, value in self._read().items()
        }
        self._names = tuple(metrics)
        self._samples.append((time.time_ns(), tuple(metrics.values())))

    def as_dict(self) -> dict[str, Any]:
        """Return the metrics' names, and samples: nanoseconds since the epoch, then a value for each name."""
        return {"names": self._names, "samples": [[wall_ns, *values] for wall_ns, values in self._samples]}


CAPACITY = 10_000  # of each of the two parts below; older events are forgotten


class EventKind(StrEnum):
    """Kinds of events."""

    ACCEPT = "accept"  # a client connected
    LOGIN = "login"  # and was let in
    BORROW = "borrow"  # a client got a database connection
    RELEASE = "release"  # and gave it back
    PIN = "pin"  # a client keeps its database connection from now on
    BORROW_TIMEOUT = "borrow_timeout"
    IDLE_CLOSE = "idle_close"  # the proxy ended a client connection for being idle
    CLOSE = "close"  # a client connection ended, by either side
    OPEN_DATABASE = "open_database"  # a database connection was opened
    CLOSE_DATABASE = "close_database"  # and is gone
    FAILURE = "failure"  # a listener was switched to another failure


_OF_EVERY_STATEMENT = frozenset({EventKind.BORROW, EventKind.RELEASE})


class ConnectionEvent(NamedTuple):
    """One event.

    Attributes:
        number: counted from 0 since the start.
        wall_ns: nanoseconds since the epoch.
        kind: what happened.
        client: id of the client connection, with which the client was greeted (PyMySQL's `thread_id()`); None
            where none takes part.
        database: the server's number of the database connection; None where none takes part.
        detail: in words, such as why a session was pinned or a connection ended; may be None.

    """

    number: int
    wall_ns: int
    kind: EventKind
    client: int | None
    database: int | None
    detail: str | None


class EventSelection(NamedTuple):
    """Some events.

    Attributes:
        events: fields of `Event`.
        next: the number that the next one will have.
        forgotten: how many of those that were asked for, whichever they would have been.

    """

    events: list[tuple[Any, ...]]
    next: int
    forgotten: int


class EventLog:
    """The last events.

    What happens with every statement is kept apart from the rest, so that a second of load does not push out
    when a connection was accepted or why it died.
    """

    def __init__(self) -> None:
        # Fields of events: each statement makes two, and plain tuples are ten times as fast.
        self._often: deque[tuple[Any, ...]] = deque(maxlen=CAPACITY)
        self._seldom: deque[tuple[Any, ...]] = deque(maxlen=CAPACITY)
        self._count = 0

    def add(
        self,
        kind: EventKind,
        client: int | None = None,
        database: int | None = None,
        detail: str | None = None,
    ) -> None:
        """Note an event of now."""
        part = self._often if kind in _OF_EVERY_STATEMENT else self._seldom
        part.append((self._count, time.time_ns(), kind, client, database, detail))
        self._count += 1

    def select(
        self,
        *,
        since: int = 0,
        from_ns: int = 0,
        to_ns: int | None = None,
        client: int | None = None,
    ) -> EventSelection:
        """Events in order.

        Args:
            since: from this number on.
            from_ns: not before this time.
            to_ns: before this time.
            client: only of this client connection.

        """
        # Both parts are in order, and numbers are unique, so sorting merges them.
        known = sorted(_from(self._often, since) + _from(self._seldom, since))
        events = [
            event
            for event in known
            if event[1] >= from_ns
            and (to_ns is None or event[1] < to_ns)
            and (client is None or event[3] == client)
        ]
        return EventSelection(events, self._count, max(0, self._count - since) - len(known))


def _from(part: deque[tuple[Any, ...]], number: int) -> list[tuple[Any, ...]]:
    """Events of this number and later ones, found from the end."""
    return list(itertools.takewhile(lambda event: bool(event[0] >= number), reversed(part)))[::-1]
