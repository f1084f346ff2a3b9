"""Counters of the proxy under the names that CloudWatch gives those of RDS Proxy."""

from collections import Counter
from collections.abc import Mapping

Value = float | Mapping[str, float]  # of a metric, or of each of its groups


class Latency:
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
        """Return the average since the start, and what the average over any other time is made of."""
        sum_us = self.total_s * 1e6
        return {"average": sum_us / self.count if self.count else 0.0, "sum": sum_us, "count": self.count}


class Metrics:
    """What has happened since the start; what is now (gauges) is asked of those who know, in `server`."""

    def __init__(self) -> None:
        self.clients_received = 0
        self.clients_set_up = 0
        self.failed_auth = 0
        self.clients_closed: Counter[str] = Counter()  # by why
        self.database_requests = 0
        self.database_requests_tls = 0
        self.database_set_up = 0
        self.database_set_up_failed = 0
        self.commands = 0  # of clients, that have an answer
        self.queries = 0
        self.queries_tls = 0
        self.pins: Counter[str] = Counter()  # by reason
        self.borrow_latency = Latency()
        self.response_latency = Latency()  # from command to answer
        self.database_latency = Latency()  # of that, the database's part

    def count_database_request(self, *, tls: bool) -> None:
        """Count a connection to the database that was asked for."""
        self.database_requests += 1
        self.database_requests_tls += tls

    def count_query(self, *, tls: bool) -> None:
        """Count a query of a client."""
        self.queries += 1
        self.queries_tls += tls

    def count_answer(self, response_s: float, database_s: float) -> None:
        """Count an answer, what it took in all, and of that the database."""
        self.response_latency.add(response_s)
        self.database_latency.add(database_s)

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
