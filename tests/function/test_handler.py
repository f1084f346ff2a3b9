"""An environment that outlives a campaign: nothing of one is measured in the next."""

import gc
import json
import weakref
from pathlib import Path

import boto3
import pytest

from poolbench.function.application import Application
from poolbench.function.strategies import CONTROL
from poolbench.lab.proxy import ProxySettings, RunningProxy
from poolbench.lab.stack import LabSpec, running_stack
from poolbench.targets import variables_set
from poolbench.targets.functions import LANE, SAMPLER_FUNCTION
from poolbench.targets.lab import lab_functions
from tests.invocations import invocation
from tests.users import wait_for


def open_connections(proxy: RunningProxy) -> int:
    metrics = proxy.metrics()
    return int(metrics["ClientConnectionsSetupSucceeded"] - sum(metrics["ClientConnectionsClosed"].values()))


@pytest.mark.slow
def test_another_campaign_and_another_attempt_begin_with_a_new_engine(tmp_path: Path) -> None:
    first = invocation(tmp_path)
    later = invocation(tmp_path, sequence=1)
    events = [
        first,
        later,
        invocation(tmp_path, sequence=1, attempt=1),
        invocation(tmp_path, sequence=1, attempt=1, campaign="another"),
    ]
    with (
        running_stack(
            lambda at: lab_functions(1, 30, at), LabSpec(ProxySettings(idle_client_timeout=60))
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
    rows = [json.loads((tmp_path / event.visit.key).read_text().splitlines()[0]) for event in events]
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
    application = Application.start({})
    gc.disable()  # so that none comes by chance
    try:
        left = weakref.ref(application.cell_of(invocation(tmp_path, strategy=CONTROL)).client.engine)
        assert left() is not None
        application.cell_of(invocation(tmp_path, strategy=CONTROL, campaign="another"))
        assert left() is None
    finally:
        gc.enable()
        application.close_all()
