"""What is recorded over time beside the rows: connections, the lab proxy's events, CloudWatch's metrics."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSample:
    """One value that the sampler read."""

    wall_ns: int
    source: str  # `server` or `proxy`
    metric: str
    group: str  # user or reason, where the metric has several values
    value: float
    cell: str | None = None  # of a burst that was under way
    phase: str | None = None  # `before`, `burst` or `tail`


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyEvent:
    """Something that the lab's proxy did."""

    wall_ns: int
    kind: str  # as poolbench.lab.proxy.monitoring names it
    client: int | None  # the `connection_id` of rows
    database: int | None
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudWatchValue:
    """One value of a metric."""

    wall_ns: int  # when the minute began
    namespace: str
    subject: str  # name of the proxy or the function
    metric: str
    statistic: str
    value: float
