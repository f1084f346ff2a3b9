"""Who may do what: read from the templates after their transforms, so that nothing slips in by them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from poolbench.aws.pack import INFRA
from tests.infra.conftest import Expanded

pytestmark = pytest.mark.slow

# Of the actions that a resource's provider declares, those that what the template uses of it does not need.
UNUSED = re.compile(
    "|".join(
        (
            # Keys, file systems, gradual deployments, table buckets, other kinds of endpoints and targets.
            r"(kms|elasticfilesystem|s3files|codedeploy|lakeformation|firehose|s3tables|vpc-lattice|vpce|billing):.*",
            # Lambda: layers, signed code, managed instances, recursion.
            r"lambda:.*(CodeSigning|Recursion|Scaling|CapacityProvider|RuntimeAlias|LayerVersion).*",
            # RDS: replicas, snapshots, backups, clusters, roles of an instance.
            r"rds:.*(Replica|Snapshot|Backup|DBCluster|RoleToDB|RoleFromDB|PointInTime|Events).*",
            # EC2: encryption controls, tenancy, addresses by association.
            r"ec2:.*(EncryptionControl|Tenancy|SubnetCidrBlock|DescribeInstances|InternetGateways|NetworkAcls).*",
            # S3: everything about a bucket that is left as it is.
            r"s3:.*(Metadata|Accelerate|Analytics|Inventory|Replication|ObjectLock|Website|CORS|Cors|Abac).*",
            r"s3:.*(Tiering|Metrics|Lifecycle|Logging|Notification|Acl|DeleteBucketEncryption).*",
            r"s3:(PutObject|DeleteObject|REST\.PUT\.OBJECT|ListTagsForResource|TagResource|UntagResource)",
            # IAM: users, groups, boundaries.
            r"iam:.*(User|Group|Boundary|ListEntities|ListRoles).*",
            # Logs: delivery, protection, indexes, keys.
            r"logs:.*(Delivery|DataProtection|IndexPolic|BearerToken|DeletionProtection|ResourcePolic|KmsKey).*",
            r"glue:.*(Connection|SchemaVersion)",
            r"secretsmanager:.*(Region|Replicate).*",
        )
    )
)


@dataclass(frozen=True)
class Statement:
    """What a role's or a resource's policy says."""

    where: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[Any, ...]
    condition: dict[str, Any]


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def statements(expanded: Expanded) -> Iterator[Statement]:
    """Every statement about permissions; who may assume a role is another matter."""
    for name, resource in expanded.template["Resources"].items():
        properties = resource.get("Properties", {})
        documents = [properties.get("PolicyDocument")]
        documents += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        for document in filter(None, documents):
            for one in document["Statement"]:
                yield Statement(
                    name,
                    one["Effect"],
                    _listed(one["Action"]),
                    _listed(one.get("Resource", [])),
                    one.get("Condition", {}),
                )


@pytest.mark.parametrize("name", ["expanded", "deployer"])
def test_no_action_that_is_allowed_is_a_wildcard(name: str, request: pytest.FixtureRequest) -> None:
    allowed = [one for one in statements(request.getfixturevalue(name)) if one.effect == "Allow"]
    assert allowed
    assert [one for one in allowed if any("*" in action for action in one.actions)] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("expanded", {"NetworkPolicy": ["ec2"]}),
        ("deployer", {"Network": ["ec2"], "Data": ["secretsmanager"]}),
    ],
)
def test_all_resources_are_only_allowed_where_nothing_else_is_possible(
    name: str, expected: dict[str, list[str]], request: pytest.FixtureRequest
) -> None:
    found: dict[str, list[str]] = {}
    for one in statements(request.getfixturevalue(name)):
        if one.effect == "Allow" and "*" in one.resources:
            found[one.where] = sorted({action.partition(":")[0] for action in one.actions})
    assert found == expected


@pytest.mark.parametrize("name", ["template.yaml", "deployer.yaml"])
def test_every_wildcard_resource_has_its_reason_above_it(name: str) -> None:
    lines = (INFRA / name).read_text().splitlines()
    for number, line in enumerate(lines):
        if line.strip() == 'Resource: "*"':
            starts = [above for above in range(number) if re.match(r" +- Effect", lines[above])]
            assert lines[starts[-1] - 1].strip().startswith("#"), f"{name}:{number + 1}"


def test_roles_are_assumed_by_one_service_each_and_use_no_policy_of_somebody_elses(
    expanded: Expanded,
) -> None:
    own = {"Ref": "NetworkPolicy"}
    for name, role in expanded.of_type("AWS::IAM::Role").items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Action"] == "sts:AssumeRole"
        assert isinstance(trust["Principal"]["Service"], str)
        assert all(policy == own for policy in role.get("ManagedPolicyArns", [])), name


def test_functions_read_their_own_secrets_and_nobody_writes_outside_of_the_campaigns(
    expanded: Expanded,
) -> None:
    secrets = {
        one.where: one.resources
        for one in statements(expanded)
        if "secretsmanager:GetSecretValue" in one.actions
    }
    application, sampler, token = ({"Ref": f"{name}Secret"} for name in ("Application", "Sampler", "Token"))
    assert secrets["BenchmarkRole"] == (application,)
    assert secrets["ProxyRole"] == (application, token)
    assert secrets["SamplerRole"] == (sampler, application, token)
    writers = [one for one in statements(expanded) if one.effect == "Allow" and "s3:PutObject" in one.actions]
    assert {one.resources for one in writers} == {("${Results.Arn}/campaigns/*",)}


def test_the_bucket_refuses_whoever_could_overwrite_and_whoever_comes_without_tls(expanded: Expanded) -> None:
    (policy,) = expanded.of_type("AWS::S3::BucketPolicy").values()
    denied = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"}
    assert denied["TlsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert denied["CreateOnly"]["Action"] == "s3:PutObject"
    assert denied["CreateOnly"]["Condition"] == {
        "Null": {"s3:if-none-match": "true"},
        "Bool": {"s3:ObjectCreationOperation": "true"},
    }
    assert all(one["Principal"] == "*" for one in denied.values())


def test_the_schedule_may_delete_this_stack_and_nothing_else(expanded: Expanded) -> None:
    (only,) = [one for one in statements(expanded) if one.where == "DeletionRole"]
    assert only.actions == ("cloudformation:DeleteStack",)
    (resource,) = only.resources
    assert re.fullmatch(r"arn:aws:cloudformation:us-east-1:\d+:stack/local/[0-9a-z-]+", resource)


def test_the_deployer_may_do_what_the_templates_resources_need(
    expanded: Expanded, deployer: Expanded
) -> None:
    declared = {
        action
        for handlers in expanded.permissions.values()
        for actions in handlers.values()
        for action in actions
    }
    allowed = {action for one in statements(deployer) for action in one.actions}
    needed = {action for action in declared if not UNUSED.fullmatch(action)}
    assert len(needed) > 100
    assert needed - allowed == set()
    # The transforms are no resources; the rest would be more than is needed.
    assert allowed - declared == {"cloudformation:CreateChangeSet"}


def test_no_managed_policy_is_longer_than_iam_takes(expanded: Expanded, deployer: Expanded) -> None:
    for template in (expanded, deployer):
        for policy in template.of_type("AWS::IAM::ManagedPolicy").values():
            written = re.sub(r"\s", "", str(policy["PolicyDocument"]))
            assert len(written) < 6144  # IAM quota, characters without white space
