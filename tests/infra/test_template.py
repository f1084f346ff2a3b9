"""The stack, offline: linters, what the transforms make of it, and that it is what the lab imitates."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from poolbench.aws.pack import INFRA
from poolbench.lab.platform import LOOPBACK
from poolbench.lab.stack import APPLICATION, SAMPLER, TOKEN_USER
from poolbench.targets.functions import ALIAS, FLEET, LANE, SAMPLER_FUNCTION
from tests.infra.conftest import Expanded, Run

pytestmark = pytest.mark.slow


def test_cfn_lint_finds_nothing_in_the_role(tool: Callable[..., Run]) -> None:
    done = tool("sam/bin/cfn-lint", "deployer.yaml")
    assert (done.returncode, done.stdout) == (0, "")


def test_sam_and_its_cfn_lint_find_nothing_in_the_stack(tool: Callable[..., Run]) -> None:
    done = tool("sam/bin/sam", "validate", "--lint", "--language-extensions", "--template", "template.yaml")
    assert done.returncode == 0, done.stderr
    assert "is a valid SAM Template" in done.stdout


def test_checkov_finds_nothing_that_is_not_waived_with_a_reason(
    tool: Callable[..., Run], expanded: Expanded, deployer: Expanded, tmp_path: Path
) -> None:
    for name, content in (("stack", expanded), ("deployer", deployer)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content.template))
    done = tool("checkov/bin/checkov", "--config-file", ".checkov.yaml", "--directory", tmp_path)
    assert done.returncode == 0, done.stdout
    waivers = [line for line in (INFRA / ".checkov.yaml").read_text().splitlines() if "- CKV" in line]
    assert all(re.search(r"# .{20}", waiver) for waiver in waivers)


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Moto's S3, with a bucket for artifacts; the client's endpoint says where."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    server = ThreadedMotoServer(ip_address=LOOPBACK, port=0, verbose=False)
    server.start()
    client = boto3.client(
        "s3", endpoint_url="http://{}:{}".format(*server.get_host_and_port()), region_name="us-east-1"
    )
    client.create_bucket(Bucket="artifacts")
    yield client
    server.stop()


def test_sam_package_uploads_the_bundle_and_the_definition_and_no_path_stays_local(
    tool: Callable[..., Run], storage: Any, bundle: Any, tmp_path: Path
) -> None:
    here = tmp_path / "infra"
    here.mkdir()
    for name in ("template.yaml", "campaign.asl.json"):
        (here / name).write_bytes((INFRA / name).read_bytes())
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "bundle.zip").write_bytes(bundle.path.read_bytes())
    packaged = tmp_path / "packaged.json"
    done = tool(
        "sam/bin/sam",
        *("package", "--language-extensions", "--use-json", "--s3-bucket", "artifacts"),
        *("--template-file", here / "template.yaml", "--output-template-file", packaged),
        AWS_ENDPOINT_URL=storage.meta.endpoint_url,
    )
    assert done.returncode == 0, done.stderr
    text = packaged.read_text()
    (key,) = set(re.findall(r'"CodeUri": "s3://artifacts/(.*?)"', text))
    assert storage.get_object(Bucket="artifacts", Key=key)["Body"].read() == bundle.path.read_bytes()
    resources = json.loads(text)["Resources"]
    assert resources["Conductor"]["Properties"]["Code"] == {"S3Bucket": "artifacts", "S3Key": key}
    definition = resources["CampaignMachine"]["Properties"]["DefinitionUri"]["Key"]
    uploaded = storage.get_object(Bucket="artifacts", Key=definition)["Body"].read()
    assert json.loads(uploaded) == json.loads((INFRA / "campaign.asl.json").read_text())
    assert "../build" not in text


def _named(expanded: Expanded) -> dict[str, dict[str, Any]]:
    """Functions by what follows the stack's name; expansion calls the stack `local`."""
    functions = expanded.of_type("AWS::Lambda::Function").values()
    return {one["FunctionName"].removeprefix("local-"): one for one in functions}


def test_functions_are_named_as_in_the_lab(expanded: Expanded) -> None:
    outputs = expanded.template["Outputs"]
    named = [f"poolbench-{name}" for name in _named(expanded)]
    lanes = [part.partition(":") for part in _output(outputs, "LaneFunctions").split(",")]
    assert [name for name, _, _ in lanes] == [LANE.format(number) for number in range(len(lanes))]
    assert {alias for _, _, alias in lanes} == {ALIAS}
    assert sorted(_output(outputs, "FunctionNames").split(",")) == sorted(named)
    assert _output(outputs, "FleetFunction") == f"{FLEET}:{ALIAS}"
    assert _output(outputs, "SamplerFunction") == f"{SAMPLER_FUNCTION}:{ALIAS}"


def _output(outputs: dict[str, Any], name: str) -> str:
    value: Any = outputs[name]["Value"]
    if isinstance(value, dict) and "Fn::Join" in value:
        value = ",".join(map(_text, value["Fn::Join"][1]))
    return _text(value)


def _text(value: Any) -> str:
    text: str = value["Fn::Sub"] if isinstance(value, dict) else value
    return text.replace("${AWS::StackName}", "poolbench").replace("local-", "poolbench-")


def test_no_invocation_of_a_lane_can_spill_over_to_another_environment(expanded: Expanded) -> None:
    aliases = expanded.of_type("AWS::Lambda::Alias")
    for name, function in expanded.of_type("AWS::Lambda::Function").items():
        alias = aliases.get(f"{name}Alias{ALIAS}", {})
        provisioned = alias.get("ProvisionedConcurrencyConfig", {}).get("ProvisionedConcurrentExecutions")
        if name in ("OnDemand", "Conductor"):
            assert provisioned is None
            assert function["ReservedConcurrentExecutions"] == 1
        else:
            assert provisioned == function["ReservedConcurrentExecutions"]


def test_functions_know_what_the_labs_know_and_are_in_the_vpc_but_for_the_conductor(
    expanded: Expanded,
) -> None:
    for name, function in _named(expanded).items():
        if name == "conductor":
            assert "VpcConfig" not in function
            assert "Environment" not in function
            continue
        assert function["VpcConfig"]["SubnetIds"] == [{"Ref": "SubnetA"}]
        variables = set(function["Environment"]["Variables"])
        assert {
            "POOLBENCH_PROXY_ENDPOINT",
            "POOLBENCH_DATABASE_ENDPOINT",
            "POOLBENCH_SECRET_ARN",
            "POOLBENCH_TOKENS",
            "POOLBENCH_TLS_CA",
        } <= variables


def test_the_users_are_those_of_the_lab(expanded: Expanded) -> None:
    users = {
        name: json.loads(secret["GenerateSecretString"]["SecretStringTemplate"])["username"]
        for name, secret in expanded.of_type("AWS::SecretsManager::Secret").items()
    }
    assert users == {"ApplicationSecret": APPLICATION, "SamplerSecret": SAMPLER, "TokenSecret": TOKEN_USER}
    named = _named(expanded)
    assert named["sampler"]["Environment"]["Variables"]["POOLBENCH_SECRET_ARN"] == {"Ref": "SamplerSecret"}
    assert named["lane-00"]["Environment"]["Variables"]["POOLBENCH_SECRET_ARN"] == {
        "Ref": "ApplicationSecret"
    }


def test_only_the_results_outlive_the_stack(expanded: Expanded) -> None:
    kept = {
        name
        for name, resource in expanded.template["Resources"].items()
        if resource.get("DeletionPolicy", "Delete") != "Delete" and resource["Type"] != "AWS::Lambda::Version"
    }
    assert kept == {"Results", "ResultsPolicy"}


def test_engine_versions_that_the_proxy_does_not_serve_are_refused(expanded: Expanded) -> None:
    pattern = expanded.template["Parameters"]["EngineVersion"]["AllowedPattern"]
    accepted = [
        version for version in ("5.7", "8.0", "8.4", "8.4.6", "9.1", "8.4.x") if re.search(pattern, version)
    ]
    assert accepted == ["8.0", "8.4", "8.4.6"]
