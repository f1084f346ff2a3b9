"""What can be wrong on AWS before anything is measured: one clear line, its cure, and the exit code."""

import datetime
from pathlib import Path

import boto3
import pytest

from poolbench.aws.account import open_account
from poolbench.aws.deployed import find
from tests.aws.conftest import PARAMETERS, create_stack, make_bucket, outputs, stack_backend
from tests.aws.moto_server import ACCOUNT, MotoServer
from tests.users import Poolbench

ON_AWS = ("campaign", "aws", "--target", "aws")


def test_no_credentials(moto: MotoServer, poolbench: Poolbench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for arguments in (ON_AWS, ("doctor", "--aws"), ("destroy",)):
        code, said = poolbench(*arguments)
        assert (code, said.startswith("poolbench: no AWS credentials: run `aws configure`")) == (1, True), (
            said
        )


def test_no_region(moto: MotoServer, poolbench: Poolbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    code, said = poolbench(*ON_AWS)
    assert (code, "no region: give --region, or set AWS_DEFAULT_REGION" in said) == (2, True), said


def test_a_misspelt_region(moto: MotoServer, poolbench: Poolbench) -> None:
    code, said = poolbench(*ON_AWS, "--region", "eu-wst-1")
    assert (code, "unknown 'eu-wst-1': did you mean 'eu-west-1'?" in said) == (2, True), said


def test_a_region_where_nothing_is_deployed(moto: MotoServer, poolbench: Poolbench) -> None:
    create_stack(outputs())
    code, said = poolbench(*ON_AWS, "--region", "eu-west-1")
    assert (code, "no stack 'poolbench' in eu-west-1: `make aws-up` deploys it" in said) == (1, True), said


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        ("CREATE_IN_PROGRESS", "wait until CloudFormation is done with it"),
        ("ROLLBACK_COMPLETE", "Proxy failed (no such subnet); remove it with `make aws-down RESULTS=keep`"),
        ("DELETE_FAILED", "Proxy failed (no such subnet); remove it with `make aws-down RESULTS=keep`"),
    ],
)
def test_a_stack_that_is_not_whole(
    moto: MotoServer, poolbench: Poolbench, tmp_path: Path, status: str, cure: str
) -> None:
    create_stack(outputs())
    (stack,) = stack_backend().stacks.values()
    stack.status = status
    # The lanes failed because the proxy had; the first failure is the one to read.
    for resource, reason in (("Proxy", "no such subnet"), ("Lane00", "Resource creation cancelled")):
        stack._add_stack_event("CREATE_FAILED", resource_status_reason=reason)
        stack.events[-1].logical_resource_id = resource
    code, said = poolbench(*ON_AWS)
    assert (code, f"stack 'poolbench' in us-east-1 is {status}: {cure}" in said) == (1, True), said
    code, said = poolbench("doctor", "--aws")
    assert code == 1
    assert f"stack 'poolbench' is {status}, and costs what is there of it: {cure}" in said


def test_a_stack_of_another_version(moto: MotoServer, poolbench: Poolbench) -> None:
    found = outputs()
    del found["ConductorFunction"]
    create_stack(found)
    code, said = poolbench(*ON_AWS)
    assert (code, "has no output 'ConductorFunction': another version" in said) == (1, True), said


@pytest.mark.parametrize(
    ("campaign", "message"),
    [
        (
            "quick",
            "idle_client_timeout_s is 2, and the stack's proxy has 60: `make aws-up IDLE_CLIENT_TIMEOUT=2`",
        ),
        ("quick", "repetition.lanes is 36, and there are 12"),
        (
            "concurrency",
            "DEPLOY='--parameter ConnectionBorrowTimeout=5 --parameter MaxConnections=50 --parameter Max",
        ),
        (
            "aws-concurrency",
            "the stack's MaxIdleConnectionsPercent=50: `make aws-up IDLE_CLIENT_TIMEOUT=60 DEPLOY=",
        ),
        ("concurrency", "at once, and the stack's fleet has 10: `make aws-up DEPLOY="),
        ("outages", "factors.failures: "),
        ("quick_rtt", "added_rtt_s is for the lab"),
    ],
)
def test_a_campaign_that_does_not_fit_the_stack(
    moto: MotoServer, poolbench: Poolbench, campaign: str, message: str
) -> None:
    create_stack(outputs())
    code, said = poolbench("campaign", campaign, "--target", "aws")
    assert (code, message in said) == (2, True), said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (*ON_AWS, "--store", "s3://mine", "--freeze", "SIGSTOP"),
            "--store, --freeze: not with --target aws",
        ),
        (("campaign", "aws", "--max-usd", "1"), "--max-usd: not with --target lab"),
    ],
)
def test_an_option_that_would_count_for_nothing(
    poolbench: Poolbench, arguments: tuple[str, ...], message: str
) -> None:
    code, said = poolbench(*arguments)
    assert (code, message in said) == (2, True), said


def test_functions_that_would_be_killed_early(moto: MotoServer, poolbench: Poolbench) -> None:
    create_stack(outputs(), PARAMETERS | {"FunctionTimeout": "30"})
    code, said = poolbench(*ON_AWS)
    assert (code, "function_timeout_s is 60, and the stack's functions have 30" in said) == (2, True), said


def test_tokens_for_a_proxy_that_takes_none(moto: MotoServer, poolbench: Poolbench) -> None:
    create_stack(outputs(), PARAMETERS | {"WithTokens": "false"})
    code, said = poolbench(*ON_AWS, "--strategy", "token")
    assert (code, "token come with tokens, and the stack's proxy takes none" in said) == (2, True), said


def test_a_campaign_too_long_for_one_execution(poolbench: Poolbench, tmp_path: Path) -> None:
    text = 'name = "long"\ndescription = ""\nseed = 1\nidle_client_timeout_s = 1800\n'
    text += '[factors]\nstrategies = ["queuepool"]\ngaps = [2]\n[repetition]\nlanes = 1\nrounds = 50\n'
    (tmp_path / "long.toml").write_text(text)
    code, said = poolbench("plan", "long.toml", "--target", "aws")
    assert (code, "Step Functions ends one at 25000: take fewer rounds, or more lanes" in said) == (
        2,
        True,
    ), said


def test_more_than_it_may_cost(moto: MotoServer, poolbench: Poolbench) -> None:
    create_stack(outputs())
    make_bucket()
    stack_machine()
    code, said = poolbench(*ON_AWS, "--max-usd", "0.5")
    assert (code, "USD, more than --max-usd 0.5; `poolbench plan aws --target aws`" in said) == (1, True), (
        said
    )
    assert boto3.client("stepfunctions").list_executions(stateMachineArn=machine_arn())["executions"] == []


def test_another_lane_is_one_and_costs_as_much_as_the_whole_stack(
    moto: MotoServer, poolbench: Poolbench
) -> None:
    create_stack(outputs())
    make_bucket()
    stack_machine()
    code, said = poolbench(*ON_AWS, "--lane", "init")
    assert (code, "repetition.lanes is 8, and there is one such lane" in said) == (2, True), said
    lane = ("campaign", "aws-lane", "--target", "aws", "--lane", "init")
    code, said = poolbench(*lane, "--max-usd", "0.5")
    assert (code, "aws-lane would cost about 0.88 USD" in said) == (1, True), said
    found = find(open_account(None)).on("init")
    assert found.describe("client").lanes == ("poolbench-init:live",)


def test_a_stack_that_ends_before_the_campaign(moto: MotoServer, poolbench: Poolbench) -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1.05)
    create_stack(outputs(), PARAMETERS | {"DeleteAt": f"{soon:%Y-%m-%dT%H:%M:%S}"})
    make_bucket()
    stack_machine()
    code, said = poolbench(*ON_AWS)
    assert (code, "it takes 2.3 h, and the stack deletes itself in 1.0 h" in said) == (2, True), said
    assert "`make aws-up DEPLOY='--hours 5'` puts that off" in said


def machine_arn() -> str:
    return outputs()["StateMachineArn"]


def stack_machine() -> None:
    boto3.client("stepfunctions").create_state_machine(
        name="poolbench-campaign",
        definition='{"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 600, "End": true}}}',
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/machine",
    )


def test_a_stack_that_is_busy(moto: MotoServer, poolbench: Poolbench) -> None:
    create_stack(outputs())
    make_bucket()
    stack_machine()
    started = boto3.client("stepfunctions").start_execution(
        stateMachineArn=machine_arn(), name="aws-20261123T120000Z-abcd-000", input="{}"
    )
    try:
        code, said = poolbench(*ON_AWS)
        assert code == 1
        assert "busy with campaign aws-20261123T120000Z-abcd: attach with --resume aws-20261123" in said
    finally:
        boto3.client("stepfunctions").stop_execution(executionArn=started["executionArn"])


def test_results_are_neither_kept_nor_deleted_by_accident(moto: MotoServer, poolbench: Poolbench) -> None:
    create_stack(outputs())
    client = make_bucket("campaigns/a/header.json", "campaigns/a/cells/x.json")
    code, said = poolbench("destroy")
    assert (code, "poolbench-results-1: 2 objects, 0.0 MB): say --results keep" in said) == (2, True), said
    assert stack_backend().stacks, "nothing was deleted"
    code, said = poolbench("destroy", "--results", "keep")
    assert (code, "kept bucket poolbench-results-1" in said) == (0, True), said
    assert "poolbench" not in [stack.name for stack in stack_backend().stacks.values()]
    code, said = poolbench("doctor", "--aws")
    assert (code, "bucket poolbench-results-1 holds results of a stack that is gone" in said) == (1, True)
    code, said = poolbench("destroy", "--results", "delete")
    assert (code, "deleted bucket poolbench-results-1" in said) == (0, True), said
    assert client.list_buckets()["Buckets"] == []
    assert poolbench("doctor", "--aws")[0] == 0


def test_versions_of_results_are_deleted_too(moto: MotoServer, poolbench: Poolbench) -> None:
    client = make_bucket()
    client.put_bucket_versioning(Bucket="poolbench-results-1", VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        client.put_object(Bucket="poolbench-results-1", Key="campaigns/k", Body=b"1")
    client.delete_object(Bucket="poolbench-results-1", Key="campaigns/k")
    assert poolbench("destroy", "--results", "delete")[0] == 0
    assert client.list_buckets()["Buckets"] == []


def test_a_snapshot_that_was_left(moto: MotoServer, poolbench: Poolbench) -> None:
    rds = boto3.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="poolbench-database",
        DBInstanceClass="db.t4g.micro",
        Engine="mysql",
        AllocatedStorage=20,
        MasterUsername="bench",
        MasterUserPassword="not-a-secret-1",
    )
    rds.create_db_snapshot(DBSnapshotIdentifier="poolbench-last", DBInstanceIdentifier="poolbench-database")
    code, said = poolbench("doctor", "--aws")
    assert (code, "database snapshot poolbench-last is left" in said) == (1, True), said


def test_what_is_deployed_and_what_it_costs(moto: MotoServer, poolbench: Poolbench) -> None:
    create_stack(outputs())
    stack_machine()
    code, said = poolbench("doctor", "--aws")
    assert code == 0, said
    assert "stack 'poolbench' is CREATE_COMPLETE" in said
    assert "it costs 0.290 USD an hour" in said
    assert "it deletes itself at 2099-01-31T18:00:00 UTC" in said


def test_results_of_a_stack_of_that_name_elsewhere_are_not_touched(
    moto: MotoServer, poolbench: Poolbench
) -> None:
    make_bucket("campaigns/a/header.json")
    code, said = poolbench("destroy", "--results", "delete", "--region", "eu-west-1")
    assert (code, "nothing is left over" in said) == (0, True), said
    assert len(boto3.client("s3").list_objects_v2(Bucket="poolbench-results-1")["Contents"]) == 1
