"""Open connections over time, by strategy and in all, and what CloudWatch counted on AWS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from poolbench.report.scenarios import Scenario
from poolbench.report.statistics import Values

# Metrics of the samplers, named as RDS Proxy's in CloudWatch and as MySQL's status variable.
CLIENTS, BACKENDS, THREADS = "ClientConnections", "DatabaseConnections", "Threads_connected"


@dataclass(frozen=True, slots=True)
class StepSeries:
    """A count over time."""

    seconds: Values  # since the campaign began; only where the count changes, and both ends
    values: Values  # the counts from these times on
    mean: float  # over all samples
    highest: float  # of all samples


@dataclass(frozen=True, slots=True)
class OpenConnections:
    """Connections of one campaign."""

    clients: Mapping[str, StepSeries]  # connections to the proxy, by strategy
    clients_highest: float  # of any strategy and control, for a common scale
    backends: StepSeries | None  # connections that the proxy opened to the database; None if not sampled
    threads: StepSeries | None  # all connections that the server has; None if not sampled


def open_connections(scenario: Scenario) -> OpenConnections | None:
    """Connections over time; None if nothing was sampled.

    Of several campaigns it is the first, because their clocks are not related.
    """
    series = scenario.connections
    if series.empty:
        return None
    series = series[series["campaign"] == scenario.rows["campaign"].iloc[0]]
    series = series.assign(seconds=(series["wall_ns"] - series["wall_ns"].min()) / 1e9)
    clients = _of_clients(series)
    by_label = {label: clients[clients["group"] == label] for label in scenario.strategies}
    ungrouped = series[series["group"] == ""]
    backends, threads = (ungrouped[ungrouped["metric"] == metric] for metric in (BACKENDS, THREADS))
    return OpenConnections(
        {label: _steps(one) for label, one in by_label.items() if len(one)},
        float(clients["value"].max()),
        _steps(backends) if len(backends) else None,
        _steps(threads) if len(threads) else None,
    )


def mean_open(samples: pd.DataFrame) -> dict[str, float]:
    """Connections to the proxy, mean over the samples, by label."""
    means = _of_clients(samples).groupby("group", observed=True)["value"].mean()
    return {str(group): float(mean) for group, mean in means.items()}


def _of_clients(samples: pd.DataFrame) -> pd.DataFrame:
    return samples[(samples["source"] == "proxy") & (samples["metric"] == CLIENTS)]


def _steps(series: pd.DataFrame) -> StepSeries:
    """Leave out points that repeat the one before: they add bytes to a chart and nothing else."""
    seconds, values = series["seconds"].to_numpy(float), series["value"].to_numpy(float)
    keep = np.ones(len(values), bool)
    keep[1:-1] = values[1:-1] != values[:-2]
    return StepSeries(seconds[keep], values[keep], float(series["value"].mean()), float(values.max()))


# CloudWatch metrics that tell about connections, pinning and errors, with the unit of their values.
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
class CloudWatchMetric:
    """One metric of one proxy or function."""

    subject: str  # name of the proxy or the function
    metric: str  # CloudWatch's name; or ProxyOverhead, the time of a query minus its time in the database
    unit: str  # unit of the values
    minutes: int  # how many have a value
    median: float  # over the minutes
    highest: float  # of the minutes


def cloudwatch_metrics(samples: pd.DataFrame) -> Sequence[CloudWatchMetric]:
    """Summarise the CloudWatch samples of a campaign, the proxy first; metrics without values are absent."""
    groups = samples.groupby(["namespace", "subject", "metric"], observed=True)["value"]
    values = {tuple(map(str, keys)): group for keys, group in groups if isinstance(keys, tuple)}
    order = sorted(values, key=lambda keys: (keys[0] != "AWS/RDS", keys[1]))
    return [
        CloudWatchMetric(subject, metric, unit, len(found), float(found.median()), float(found.max()))
        for namespace, subject in dict.fromkeys((keys[0], keys[1]) for keys in order)
        for metric, unit in _UNITS.items()
        if (found := values.get((namespace, subject, metric))) is not None
    ]
