"""What CloudWatch saw of the proxy and the functions while a campaign ran, as Parquet beside its rows."""

import datetime
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from poolbench.aws.account import Account, explained
from poolbench.model.arrow import CLOUDWATCH, write_parquet
from poolbench.model.header import Header, TargetFacts

FILE = "cloudwatch.parquet"
PERIOD_S = 60  # what both services publish at
_QUERIES = 500  # that GetMetricData takes at once
PROXY, FUNCTION = "AWS/RDS", "AWS/Lambda"

# RDS user guide, "Monitoring RDS Proxy metrics with Amazon CloudWatch". Each of the proxy's nodes publishes
# its own value: counts are their sum. Latencies are averages in microseconds.
_PROXY_COUNTS = (
    "ClientConnections",
    "ClientConnectionsReceived",
    "ClientConnectionsSetupSucceeded",
    "ClientConnectionsSetupFailedAuth",
    "ClientConnectionsClosed",
    "ClientConnectionsTLS",
    "ClientConnectionsNoTLS",
    "DatabaseConnections",
    "DatabaseConnectionRequests",
    "DatabaseConnectionRequestsWithTLS",
    "DatabaseConnectionsSetupSucceeded",
    "DatabaseConnectionsSetupFailed",
    "DatabaseConnectionsCurrentlyBorrowed",
    "DatabaseConnectionsCurrentlyInTransaction",
    "DatabaseConnectionsCurrentlySessionPinned",
    "MaxDatabaseConnectionsAllowed",
    "QueryRequests",
    "QueryRequestsTLS",
    "QueryRequestsNoTLS",
)
RESPONSE, DATABASE_RESPONSE = "QueryResponseLatency", "QueryDatabaseResponseLatency"
_PROXY_AVERAGES = ("DatabaseConnectionsBorrowLatency", RESPONSE, DATABASE_RESPONSE, "AvailabilityPercentage")
_FUNCTION_COUNTS = ("Invocations", "Errors", "Throttles", "ProvisionedConcurrencySpilloverInvocations")
_FUNCTION_AVERAGES = ("Duration",)  # milliseconds

OVERHEAD = "ProxyOverhead"  # RESPONSE - DATABASE_RESPONSE; derived here


@dataclass(frozen=True, slots=True)
class Query:
    """A metric to ask for."""

    namespace: str
    subject: str  # name of the proxy or the function
    metric: str
    statistic: str

    def as_request(self, number: int) -> dict[str, Any]:
        """One of GetMetricData's queries."""
        dimension = "ProxyName" if self.namespace == PROXY else "FunctionName"
        metric = {
            "Namespace": self.namespace,
            "MetricName": self.metric,
            "Dimensions": [{"Name": dimension, "Value": self.subject}],
        }
        stat = {"Metric": metric, "Period": PERIOD_S, "Stat": self.statistic}
        return {"Id": f"m{number}", "MetricStat": stat, "ReturnData": True}


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of the minute that begins at `wall_ns`."""

    wall_ns: int
    namespace: str
    subject: str
    metric: str
    statistic: str
    value: float


def queries(target: TargetFacts) -> tuple[Query, ...]:
    """Everything there is to ask about a deployed target, as its header describes it."""
    proxy, functions = target.proxy_name or "", target.functions
    return (
        *(Query(PROXY, proxy, metric, "Sum") for metric in _PROXY_COUNTS),
        *(Query(PROXY, proxy, metric, "Average") for metric in _PROXY_AVERAGES),
        *(Query(FUNCTION, name, metric, "Sum") for name in functions for metric in _FUNCTION_COUNTS),
        *(Query(FUNCTION, name, metric, "Average") for name in functions for metric in _FUNCTION_AVERAGES),
    )


def window(header: Header) -> tuple[datetime.datetime, datetime.datetime]:
    """Whole minutes from the campaign's start to its last word; one that has no end yet, until now."""
    now_ns = int(datetime.datetime.now(datetime.UTC).timestamp() * 1e9)
    ends = [session.ended_wall_ns or now_ns for session in header.sessions[-1:]]
    first_s = header.created_wall_ns // 10**9 // PERIOD_S * PERIOD_S
    last_s = -(-max(ends, default=now_ns) // 10**9 // PERIOD_S) * PERIOD_S
    start, end = (datetime.datetime.fromtimestamp(s, datetime.UTC) for s in (first_s, last_s + PERIOD_S))
    return start, end


def fetch(account: Account, header: Header) -> tuple[Sample, ...]:
    """Ask for every metric of a campaign's target during the campaign, and derive the proxy's overhead.

    CloudWatch keeps minutes for 15 days and has them some minutes late; asked again, it knows more.

    Raises:
        AwsFailed: CloudWatch does not answer, or may not be asked.

    """
    start, end = window(header)
    client = account.client("cloudwatch")
    asked = queries(header.target)
    with explained("read CloudWatch"):
        found = [
            sample
            for first in range(0, len(asked), _QUERIES)
            for sample in _ask(client, asked[first : first + _QUERIES], start, end)
        ]
    return tuple(sorted([*found, *overhead(found)], key=lambda sample: (sample.metric, sample.wall_ns)))


def _ask(
    client: Any, asked: Sequence[Query], start: datetime.datetime, end: datetime.datetime
) -> Iterator[Sample]:
    pages = client.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[query.as_request(number) for number, query in enumerate(asked)],
        StartTime=start,
        EndTime=end,
        ScanBy="TimestampAscending",
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            query = asked[int(result["Id"][1:])]
            for moment, value in zip(result["Timestamps"], result["Values"], strict=True):
                yield Sample(int(moment.timestamp()) * 10**9, **asdict(query), value=value)


def overhead(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Microseconds that a query spent in the proxy and not in the database, for each minute with queries."""
    database = {(one.subject, one.wall_ns): one.value for one in samples if one.metric == DATABASE_RESPONSE}
    return tuple(
        Sample(one.wall_ns, PROXY, one.subject, OVERHEAD, "Average", one.value - database[key])
        for one in samples
        if one.metric == RESPONSE and (key := (one.subject, one.wall_ns)) in database
    )


def write(samples: Sequence[Sample], directory: Path) -> None:
    """Write them into `directory`; a later fetch replaces the file."""
    table = pa.Table.from_pylist([asdict(sample) for sample in samples], schema=CLOUDWATCH)
    write_parquet(directory / FILE, table)


def median_overhead_us(samples: Sequence[Sample]) -> float | None:
    """Median over the minutes; None where there were none."""
    values = [sample.value for sample in samples if sample.metric == OVERHEAD]
    return statistics.median(values) if values else None
