"""The questions: pytest-benchmark's groups."""

from enum import StrEnum


class Group(StrEnum):
    """Benchmarks that answer the same question."""

    REQUEST = "warm request: checkout, one row by primary key, return"
    CHECKOUT = "warm checkout and return, nothing between"
    NEW_ENGINE = "first request of a new engine"
    CONNECT = "connect and close"
    COMMAND = "one command on an open connection"
    RECOVERY = "first request after the server killed the connection"
    THREADS = "80 requests on 8 threads"
    PATH = "warm request by path, with a round-trip time added"
    SELF = "the suite itself"


A_AGAINST_A = "the same twice"  # of Group.SELF
