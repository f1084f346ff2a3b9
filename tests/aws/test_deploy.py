"""`poolbench deploy`: what it asks SAM for, in which order, and what it says when SAM fails."""

import json
import sys
from pathlib import Path

import boto3
import pytest

from tests.aws.checkout import make_checkout
from tests.aws.conftest import outputs
from tests.aws.moto_server import MotoServer
from tests.users import Poolbench

# Stands for `sam deploy`: notes what it was asked, and makes a stack with the outputs of the real one.
SAM = """
import json, sys, boto3
asked = sys.argv[1:]
with open("asked.jsonl", "a") as log:
    log.write(json.dumps(asked) + "\\n")
name = asked[asked.index("--stack-name") + 1]
told = json.load(open("told.json"))
if name in told["fails"]:
    sys.exit(1)
resources = {"Something": {"Type": "AWS::SQS::Queue"}}
outputs = {key: {"Value": value} for key, value in told["outputs"][name].items()}
template = json.dumps({"Resources": resources, "Outputs": outputs})
boto3.client("cloudformation").create_stack(StackName=name, TemplateBody=template)
"""


def prepare(folder: Path, *fails: str) -> None:
    """A checkout, whose SAM cannot deploy these stacks."""
    make_checkout(folder, f"#!{sys.executable}{SAM}")
    found = {"poolbench": outputs(), "poolbench-deployer": {"RoleArn": "arn:aws:iam::1:role/deployer"}}
    (folder / "told.json").write_text(json.dumps({"fails": fails, "outputs": found}))


def given(asked: list[str]) -> dict[str, str]:
    """Parameters, quoted as SAM wants them."""
    named = (text.partition("=") for text in asked[asked.index("--parameter-overrides") + 1 :])
    return {name: value for name, _, value in named}


def asked(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "asked.jsonl").read_text().splitlines()]


def test_the_role_comes_first_and_the_stack_is_deployed_with_it(
    moto: MotoServer, poolbench: Poolbench, tmp_path: Path
) -> None:
    prepare(tmp_path)
    code, said = poolbench(
        *("deploy", "--idle-client-timeout", "1800", "--hours", "2"),
        *("--parameter", "FleetConcurrency=1", "--parameter", 'InitQuery=SET sql_mode = "ANSI"'),
    )
    assert code == 0, said
    assert "stack poolbench is up until 20" in said
    role, stack = asked(tmp_path)
    assert role[role.index("--template-file") + 1] == "infra/deployer.yaml"
    assert given(role) == {"StackName": '"poolbench"'}
    assert stack[stack.index("--role-arn") + 1] == "arn:aws:iam::1:role/deployer"
    assert {"--language-extensions", "--resolve-s3", "--no-fail-on-empty-changeset"} <= set(stack)
    parameters = given(stack)
    assert parameters.pop("DeleteAt").startswith('"20')
    assert parameters == {
        "IdleClientTimeout": '"1800"',
        "PythonVersion": '"3.13"',
        "Architecture": '"arm64"',
        "FleetConcurrency": '"1"',
        "InitQuery": r'"SET sql_mode = \"ANSI\""',
        "ZoneA": '"us-east-1b"',  # a zone without a proxy is none
        "ZoneB": '"us-east-1d"',
    }


@pytest.mark.parametrize("fails", ["poolbench-deployer", "poolbench"])
def test_what_sam_could_not_do_is_named(
    moto: MotoServer, poolbench: Poolbench, tmp_path: Path, fails: str
) -> None:
    prepare(tmp_path, fails)
    code, said = poolbench("deploy")
    assert (code, f"`sam deploy` of {fails} failed; `poolbench doctor --aws" in said) == (1, True), said


def test_a_stack_that_is_up_is_brought_up_to_date_whatever_the_quota(
    moto: MotoServer, poolbench: Poolbench, tmp_path: Path
) -> None:
    prepare(tmp_path)
    assert poolbench("deploy")[0] == 0
    moto.quota = {"ConcurrentExecutions": 126, "UnreservedConcurrentExecutions": 100}
    # The stand-in for SAM creates only, so that it is asked is all there is to see.
    poolbench("deploy")
    assert len(asked(tmp_path)) == 3


def test_a_parameter_that_is_none(moto: MotoServer, poolbench: Poolbench, tmp_path: Path) -> None:
    prepare(tmp_path)
    code, said = poolbench("deploy", "--parameter", "FleetConcurrency")
    assert (code, "--parameter 'FleetConcurrency': use NAME=VALUE" in said) == (2, True), said


def test_all_of_it_is_gone_after_destroy(moto: MotoServer, poolbench: Poolbench, tmp_path: Path) -> None:
    prepare(tmp_path)
    assert poolbench("deploy")[0] == 0
    code, said = poolbench("destroy")
    assert code == 0, said
    assert "deleting stack poolbench\n" in said
    assert "deleting stack poolbench-deployer\n" in said
    assert boto3.client("cloudformation").describe_stacks()["Stacks"] == []
