"""An environment that outlives a campaign: nothing of one is measured in the next."""

import gc
import importlib
import json
import weakref
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from poolbench.cli.target import LANE, SAMPLER_FUNCTION, make_functions, variables_set
from poolbench.function.strategies import CONTROL
from poolbench.lab.proxy import ProxySettings, RunningProxy
from poolbench.lab.stack import LabSpec, running_stack
from tests.invocations import invocation
from tests.users import wait_for


def open_connections(proxy: RunningProxy) -> int:
    metrics = proxy.metrics()
    return int(metrics["ClientConnectionsSetupSucceeded"] - sum(metrics["ClientConnectionsClosed"].values()))


@pytest.mark.slow
def test_another_campaign_and_another_attempt_begin_with_a_new_engine(tmp_path: Path) -> None:
    first = invocation(tmp_path)
    later = replace(first, sequence=first.sequence + 1)
    events = [first, later, replace(later, attempt=1), replace(later, attempt=1, campaign="another")]
    with (
        running_stack(
            lambda at: make_functions(1, 30, at), LabSpec(ProxySettings(idle_client_timeout=60))
        ) as stack,
        variables_set(stack.environment()),
    ):
        boto3.DEFAULT_SESSION = None
        client = boto3.client("lambda")
        client.invoke(FunctionName=f"{SAMPLER_FUNCTION}:live", Payload=b'{"action": "prepare"}')
        for event in events:
            client.invoke(FunctionName=f"{LANE.format(0)}:live", Payload=json.dumps(event.as_dict()))
        boto3.DEFAULT_SESSION = None
        wait_for(lambda: open_connections(stack.proxy) == 1)
    rows = [json.loads((tmp_path / event.key).read_text().splitlines()[0]) for event in events]
    assert [row["engine_ordinal"] for row in rows] == [0, first.requests, 0, 0]
    assert [row["connects"] for row in rows] == [1, 0, 1, 1]
    assert [row["state"] for row in rows] == [
        *("first_in_environment", "first_after_gap"),
        *("first_of_engine", "first_of_engine"),
    ]


def test_what_a_campaign_left_in_memory_is_freed_before_the_next_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = {"username": "nobody", "password": "secret", "dbname": "none"}
    monkeypatch.setenv("POOLBENCH_SECRET", json.dumps(secret))
    environment = importlib.import_module("poolbench.function.environment")  # reads it
    gc.disable()  # so that none comes by chance
    try:
        left = weakref.ref(environment.cell_of(invocation(tmp_path, strategy=CONTROL)).client.engine)
        assert left() is not None
        environment.cell_of(invocation(tmp_path, strategy=CONTROL, campaign="another"))
        assert left() is None
    finally:
        gc.enable()
        environment.close_all()
