"""CloudWatch's metrics, from moto's CloudWatch to Parquet."""

import datetime
from dataclasses import replace
from pathlib import Path

import boto3
import pyarrow.parquet as pq
import pytest

from poolbench.aws import cloudwatch
from poolbench.aws.account import open_account
from poolbench.aws.cloudwatch import DATABASE_RESPONSE, FUNCTION, OVERHEAD, PERIOD_S, PROXY, RESPONSE
from poolbench.campaign.file import CampaignFile
from poolbench.campaign.header import make_header
from poolbench.model.header import Header, Session, TargetFacts
from tests.aws.moto_server import MotoServer
from tests.campaign.stored import DESCRIBED

START = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
TARGET = TargetFacts(
    kind="aws",
    idle_client_timeout_s=60,
    region="us-east-1",
    proxy_name="poolbench",
    functions=("poolbench-lane-00",),
)


def header(seconds: float = 170.0) -> Header:
    created = int(START.timestamp()) * 10**9 + 20 * 10**9
    session = Session(session="000", started_wall_ns=created, ended_wall_ns=created + round(seconds * 1e9))
    made = make_header("aws-1", CampaignFile.load("smoke"), TARGET, DESCRIBED)
    return replace(made, created_wall_ns=created, sessions=(session,))


def put(namespace: str, dimension: str, subject: str, metric: str, minute: int, *values: float) -> None:
    moment = START + datetime.timedelta(minutes=minute)
    data = [
        {
            "MetricName": metric,
            "Dimensions": [{"Name": dimension, "Value": subject}],
            "Timestamp": moment,
            "Value": value,
        }
        for value in values
    ]
    boto3.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)


def test_metrics_of_the_window_come_beside_the_rows(moto: MotoServer, tmp_path: Path) -> None:
    for minute in (-5, 0, 1, 2, 9):  # the first is before the campaign, the last long after it
        put(PROXY, "ProxyName", "poolbench", RESPONSE, minute, 900.0 + minute)
        put(PROXY, "ProxyName", "poolbench", DATABASE_RESPONSE, minute, 500.0)
    put(PROXY, "ProxyName", "poolbench", "ClientConnections", 1, 3.0, 4.0)  # of two nodes
    put(PROXY, "ProxyName", "another", "ClientConnections", 1, 77.0)
    put(FUNCTION, "FunctionName", "poolbench-lane-00", "Invocations", 2, 1.0, 1.0, 1.0)
    samples = cloudwatch.fetch(open_account(None), header())
    cloudwatch.write(samples, tmp_path)
    rows = pq.read_table(tmp_path / cloudwatch.FILE).to_pylist()
    found = {
        (row["metric"], (row["wall_ns"] // 10**9 - int(START.timestamp())) // PERIOD_S): row for row in rows
    }
    assert [found[RESPONSE, minute]["value"] for minute in (0, 1, 2)] == [900.0, 901.0, 902.0]
    assert [found[OVERHEAD, minute]["value"] for minute in (0, 1, 2)] == [400.0, 401.0, 402.0]
    assert {minute for _, minute in found} == {0, 1, 2}
    assert (found["ClientConnections", 1]["value"], found["ClientConnections", 1]["statistic"]) == (
        7.0,
        "Sum",
    )
    assert found["Invocations", 2]["value"] == 3.0
    assert cloudwatch.median_overhead_us(samples) == 401.0


def test_a_minute_without_queries_has_no_overhead() -> None:
    with_both = cloudwatch.Sample(0, PROXY, "p", RESPONSE, "Average", 7.0)
    assert cloudwatch.overhead([with_both]) == ()
    assert cloudwatch.median_overhead_us([]) is None


def test_the_window_is_whole_minutes_around_the_campaign() -> None:
    start, end = cloudwatch.window(header())
    assert start == START
    assert START + datetime.timedelta(minutes=4) <= end <= START + datetime.timedelta(minutes=5)


def test_every_metric_is_asked_for_once_and_all_fit_into_one_request() -> None:
    target = replace(TARGET, functions=tuple(f"poolbench-lane-{number:02d}" for number in range(17)))
    asked = cloudwatch.queries(target)
    assert len(set(asked)) == len(asked) <= 500
    assert {query.statistic for query in asked} == {"Sum", "Average"}


def test_without_permission_the_reason_is_told(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from poolbench.aws.account import AwsFailed

    account = open_account(None)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:1")
    with pytest.raises(AwsFailed, match="cannot read CloudWatch: Could not connect"):
        cloudwatch.fetch(account, header())
