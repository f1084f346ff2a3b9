"""What CloudWatch saw while a campaign ran on AWS, a line for each metric."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from poolbench.report.render import Column, number

# Metrics that answer for connections, pinning and errors, as CloudWatch names them, with what a value is.
_UNITS = {
    "ClientConnections": "open",
    "ClientConnectionsSetupFailedAuth": "a minute",
    "DatabaseConnections": "open",
    "DatabaseConnectionsCurrentlySessionPinned": "pinned",
    "DatabaseConnectionsBorrowLatency": "µs",
    "ProxyOverhead": "µs",
    "Errors": "a minute",
    "Throttles": "a minute",
    "ProvisionedConcurrencySpilloverInvocations": "a minute",
    "Duration": "ms",
}


@dataclass(frozen=True, slots=True)
class Watched:
    """One metric of one proxy or function.

    Attributes:
        subject: name of the proxy or the function.
        metric: as CloudWatch names it; or ProxyOverhead, a query's time less that in the database.
        unit: of the values.
        minutes: that have a value.
        median: over the minutes.
        highest: of the minutes.

    """

    subject: str
    metric: str
    unit: str
    minutes: int
    median: float
    highest: float


def watched(samples: pd.DataFrame) -> tuple[Watched, ...]:
    """Sum up `series.CLOUDWATCH`, the proxy first; metrics that CloudWatch had nothing of are not there."""
    groups = samples.groupby(["namespace", "subject", "metric"], observed=True)["value"]
    values = {tuple(map(str, keys)): group for keys, group in groups if isinstance(keys, tuple)}
    order = sorted(values, key=lambda keys: (keys[0] != "AWS/RDS", keys[1]))
    return tuple(
        Watched(
            subject,
            metric,
            unit,
            len(found := values[namespace, subject, metric]),
            float(found.median()),
            float(found.max()),
        )
        for namespace, subject in dict.fromkeys((keys[0], keys[1]) for keys in order)
        for metric, unit in _UNITS.items()
        if (namespace, subject, metric) in values
    )


METRICS: Sequence[Column[Watched]] = (
    Column("", "of", "proxy or function", lambda one: one.subject, is_name=True),
    Column("", "metric", "", lambda one: one.metric, is_name=True),
    Column("", "unit", "", lambda one: one.unit, is_name=True),
    Column("", "minutes", "that have a value", lambda one: str(one.minutes)),
    Column("", "median", "of the minutes", lambda one: number(one.median)),
    Column("", "highest", "of the minutes", lambda one: number(one.highest)),
)
