"""S3, Secrets Manager and Step Functions on the same port, for SDK, CLI and the functions themselves."""

import concurrent.futures
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.aws.conftest import Caller, Start, function, poll, process_state


def test_a_conditional_put_creates_once_whoever_races(shared: Caller) -> None:
    s3 = shared.client("s3")
    s3.create_bucket(Bucket="results")

    def create(number: int) -> bool:
        try:
            s3.put_object(Bucket="results", Key="run/cell 1.json", Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            code = error.response["Error"]["Code"]
            assert code == "PreconditionFailed"
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        won = list(threads.map(create, range(8)))
    assert won.count(True) == 1
    body = s3.get_object(Bucket="results", Key="run/cell 1.json")["Body"].read()
    assert body == b"%d" % won.index(True)


def test_objects_come_back_whole_with_their_metadata(shared: Caller, tmp_path: Path) -> None:
    s3 = shared.client("s3")
    s3.create_bucket(Bucket="objects")
    content = os.urandom(3_000_000)
    s3.put_object(
        Bucket="objects", Key="ö/ü +&?.bin", Body=content, Metadata={"cell": "a", "under_score": "b"}
    )
    found = s3.get_object(Bucket="objects", Key="ö/ü +&?.bin")
    assert found["Body"].read() == content
    assert found["Metadata"] == {"cell": "a", "under_score": "b"}
    assert s3.head_object(Bucket="objects", Key="ö/ü +&?.bin")["ContentLength"] == len(content)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="objects")["Contents"]] == ["ö/ü +&?.bin"]
    s3.delete_object(Bucket="objects", Key="ö/ü +&?.bin")
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="objects", Key="ö/ü +&?.bin")


def test_a_function_reads_its_secret_with_its_own_sdk(start: Start) -> None:
    caller = start(function("read-secret", "uses_sdk.read_secret", timeout_s=30, memory_mb=512))
    created = caller.client("secretsmanager").create_secret(Name="database", SecretString="s3cret")
    assert caller.invoke("read-secret", {"arn": created["ARN"]}).payload == "s3cret"


def run_machine(caller: Caller, states: dict[str, Any], event: Any) -> dict[str, Any]:
    """Create a state machine and execute it to its end."""
    sfn = caller.client("stepfunctions")
    machine = sfn.create_state_machine(
        name="campaign",
        roleArn="arn:aws:iam::123456789012:role/campaign",
        definition=json.dumps({"StartAt": next(iter(states)), "States": states}),
    )
    execution = sfn.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(event))
    arn = execution["executionArn"]
    poll(lambda: sfn.describe_execution(executionArn=arn)["status"] != "RUNNING")
    described: dict[str, Any] = sfn.describe_execution(executionArn=arn)
    return described


def test_a_state_machine_invokes_a_frozen_function(start: Start) -> None:
    caller = start(function("echo", provisioned_concurrency=1, reserved_concurrency=1))
    (environment,) = caller.aws.environments()
    poll(lambda: process_state(environment.pid or 0) == "T")
    invoke = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {
            "FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:echo:live",
            "Payload.$": "$",
        },
        "OutputPath": "$.Payload",
        "End": True,
    }
    ended = run_machine(caller, {"Invoke": invoke}, {"gap": 2})
    assert ended["status"] == "SUCCEEDED"
    output = json.loads(ended["output"])
    assert (output["event"], output["pid"]) == ({"gap": 2}, environment.pid)


def test_a_state_machine_catches_a_functions_error_by_its_type(start: Start) -> None:
    caller = start(function("fail"))
    states = {
        "Invoke": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "fail"},
            "Catch": [{"ErrorEquals": ["KeyError"], "Next": "Caught"}],
            "End": True,
        },
        "Caught": {"Type": "Pass", "Result": {"was": "caught"}, "End": True},
    }
    ended = run_machine(caller, states, {})
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"was": "caught"})


@pytest.fixture
def aws_cli(shared: Caller, tmp_path: Path) -> Any:
    """Run the machine's own AWS CLI against the service."""
    program = shutil.which("aws")
    if program is None:
        pytest.skip("there is no `aws` on the PATH: install the AWS CLI to run this")
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": shared.aws.url,
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments], capture_output=True, text=True, env=variables, check=False, timeout=300
        )

    return run


def test_the_aws_cli_works_unchanged(aws_cli: Any, tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    invoked = aws_cli("lambda", "invoke", "--function-name", "echo:live", "--log-type", "Tail", str(answer))
    assert invoked.returncode == 0, invoked.stderr
    told = json.loads(invoked.stdout)
    assert (told["StatusCode"], told["ExecutedVersion"]) == (200, "1")
    assert json.loads(answer.read_text())["version"] == "1"
    missing = aws_cli("lambda", "invoke", "--function-name", "nothing", str(answer))
    assert "(ResourceNotFoundException)" in missing.stderr
    assert aws_cli("s3", "mb", "s3://from-cli").returncode == 0
    assert aws_cli("s3", "cp", str(answer), "s3://from-cli/answer.json").returncode == 0
    assert "answer.json" in aws_cli("s3", "ls", "s3://from-cli").stdout
