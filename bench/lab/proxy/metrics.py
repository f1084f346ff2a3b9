"""Counters of the proxy under the names that CloudWatch gives those of RDS Proxy."""

from collections import Counter


class Latency:
    """Sum and number of durations."""

    __slots__ = ("count", "total_s")

    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.count += 1
        self.total_s += seconds

    def average_us(self) -> float:
        """Microseconds, CloudWatch's unit for these; 0 before there is one."""
        return self.total_s / self.count * 1e6 if self.count else 0.0


class Metrics:
    """What has happened since the start. What is now (gauges) is asked of those who know, in `server`."""

    __slots__ = (
        "borrow_latency",
        "clients_closed",
        "clients_received",
        "clients_set_up",
        "database_latency",
        "database_requests",
        "database_set_up",
        "database_set_up_failed",
        "failed_auth",
        "pins",
        "queries",
        "response_latency",
    )

    def __init__(self) -> None:
        self.clients_received = 0
        self.clients_set_up = 0
        self.failed_auth = 0
        self.clients_closed: Counter[str] = Counter()  # by why
        self.database_requests = 0
        self.database_set_up = 0
        self.database_set_up_failed = 0
        self.queries = 0
        self.pins: Counter[str] = Counter()  # by reason
        self.borrow_latency = Latency()
        self.response_latency = Latency()  # command in to answer out
        self.database_latency = Latency()  # of that, the database

    def as_dict(self) -> dict[str, float | dict[str, int]]:
        """Each name with its value, or with its values by group."""
        return {
            "ClientConnectionsReceived": self.clients_received,
            "ClientConnectionsSetupSucceeded": self.clients_set_up,
            "ClientConnectionsSetupFailedAuth": self.failed_auth,
            "ClientConnectionsClosed": dict(self.clients_closed),
            "DatabaseConnectionRequests": self.database_requests,
            "DatabaseConnectionsSetupSucceeded": self.database_set_up,
            "DatabaseConnectionsSetupFailed": self.database_set_up_failed,
            "QueryRequests": self.queries,
            "DatabaseConnectionsBorrowLatency": self.borrow_latency.average_us(),
            "QueryResponseLatency": self.response_latency.average_us(),
            "QueryDatabaseResponseLatency": self.database_latency.average_us(),
            # CloudWatch does not have the reasons.
            "Pins": dict(self.pins),
        }
