"""Connections over time, on samples written by hand."""

from typing import Any

import pandas as pd

from poolbench.report.metrics.connections import cloudwatch_metrics, mean_open, open_connections
from tests.report.frames import request, scenario_of

SAMPLES: list[tuple[Any, ...]] = [
    *((at, "proxy", "ClientConnections", "queuepool", value) for at, value in enumerate((0, 2, 2, 2, 1))),
    (0, "proxy", "ClientConnections", "queuepool-twin", 7),
    *((at, "proxy", "DatabaseConnections", "", value) for at, value in enumerate((1, 3))),
    *((at, "server", "Threads_connected", "", value) for at, value in enumerate((5, 6))),
]


def test_steps_keep_where_the_count_changes_and_both_ends() -> None:
    found = open_connections(scenario_of([request()], SAMPLES))
    assert found is not None
    (only,) = found.clients.values()  # the control has no panel, but counts for the scale
    assert (only.seconds.tolist(), only.values.tolist()) == ([0, 1, 4], [0, 2, 1])
    assert (only.mean, only.highest, found.clients_highest) == (1.4, 2, 7)
    assert found.backends is not None
    assert found.threads is not None
    assert (found.backends.values.tolist(), found.threads.values.tolist()) == ([1, 3], [5, 6])


def test_means_are_over_the_samples_of_each_label() -> None:
    assert mean_open(scenario_of([request()], SAMPLES).connections) == {"queuepool": 1.4, "queuepool-twin": 7}
    assert open_connections(scenario_of([request()])) is None


def test_cloudwatch_is_summarised_by_metric_with_the_proxy_first() -> None:
    values = [("AWS/Lambda", "f", "Errors", 2.0), ("AWS/RDS", "p", "ClientConnections", 3.0)]
    values += [("AWS/RDS", "p", "ClientConnections", 8.0), ("AWS/RDS", "p", "ClientConnections", 4.0)]
    found = cloudwatch_metrics(pd.DataFrame(values, columns=["namespace", "subject", "metric", "value"]))
    assert [(one.subject, one.metric, one.minutes, one.median, one.highest) for one in found] == [
        ("p", "ClientConnections", 3, 4, 8),
        ("f", "Errors", 1, 2, 2),
    ]
