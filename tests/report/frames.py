"""Scenarios of a few requests written by hand, so that every number of a report is known in advance."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import Scenario

TIMEOUT_S = 2.0
_REQUEST: Mapping[str, Any] = {
    "campaign": "c",
    "cell": "a",
    "attempt": 0,
    "environment": "e",
    "replicate": 0,
    "round": 0,
    "role": "measure",
    "request": 0,
    "gap_ratio": 1.5,
    "observed_idle": 1.5,
    "kind": RequestKind.FIRST_AFTER_GAP,
    "failed": False,
    "outcome": "ok",
    "error_code": None,
    "latency_s": 0.010,
    "checkout_s": 0.0,
    "connect_s": None,
    "ping_s": None,
    "execute_s": 0.0,
    "reset_s": 0.0,
    "connects": 0,
    "pings": 0,
    "recycles": 0,
    "wire_commands": 2.0,
    "started_wall_ns": 0,
    "done_wall_ns": 0,
}


def request(label: str = "queuepool", **facts: Any) -> dict[str, Any]:
    """A first request after a gap longer than the timeout; `ms` is its latency."""
    if "ms" in facts:
        facts["latency_s"] = facts.pop("ms") / 1000
    return {**_REQUEST, "label": label, **facts}


def warm(label: str = "queuepool", **facts: Any) -> dict[str, Any]:
    return request(label, kind=RequestKind.WARM, **facts)


def failed(label: str = "queuepool", **facts: Any) -> dict[str, Any]:
    return request(label, **{"failed": True, "outcome": "error", "error_code": 2013, **facts})


def scenario_of(requests: Iterable[dict[str, Any]], connections: Iterable[tuple[Any, ...]] = ()) -> Scenario:
    """Take requests, and samples of connections: seconds, source, metric, group, value."""
    rows = pd.DataFrame(list(requests))
    rows["label"] = pd.Categorical(rows["label"], categories=rows["label"].unique())
    rows["error_code"] = rows["error_code"].astype(float)
    for name in ("connect_s", "ping_s"):
        rows[name] = rows[name].astype(float)
    samples = pd.DataFrame(list(connections), columns=["seconds", "source", "metric", "group", "value"])
    samples = samples.assign(campaign="c", wall_ns=samples["seconds"] * 10**9)
    facts = {"route": "proxy", "workload": "point_select", "driver": "pymysql", "failure": "idle_close"}
    return Scenario(facts, TIMEOUT_S, rows, samples, pd.DataFrame())
