"""What keeps a stack from being deployed is said before anything is created, with the cure."""

from pathlib import Path

import pytest

from tests.aws.checkout import make_bundle, make_checkout
from tests.aws.conftest import create_stack, stack_backend
from tests.aws.moto_server import MotoServer
from tests.users import Poolbench


@pytest.mark.parametrize(
    ("quota", "message"),
    [
        ((10, 10), "10 executions at once in us-east-1, 10 of them not reserved; the stack reserves 26"),
        ((1000, 120), "120 of them not reserved; the stack reserves 26, and 100 must stay unreserved"),
    ],
)
def test_a_quota_that_is_too_low(
    moto: MotoServer, poolbench: Poolbench, checkout: None, quota: tuple[int, int], message: str
) -> None:
    moto.quota = dict(zip(("ConcurrentExecutions", "UnreservedConcurrentExecutions"), quota, strict=True))
    code, said = poolbench("deploy")
    assert (code, message in said) == (1, True), said
    assert "Service Quotas, AWS Lambda, Concurrent executions" in said


def test_an_engine_that_the_proxy_does_not_serve(
    moto: MotoServer, poolbench: Poolbench, checkout: None
) -> None:
    code, said = poolbench("deploy", "--parameter", "EngineVersion=9.4.0")
    assert (code, "EngineVersion 9.4.0: RDS Proxy serves RDS for MySQL 8.0 and 8.4 alone" in said) == (
        2,
        True,
    )


def test_more_idle_connections_than_connections(
    moto: MotoServer, poolbench: Poolbench, checkout: None
) -> None:
    code, said = poolbench("deploy", "--parameter", "MaxConnectionsPercent=40")
    assert (code, "MaxIdleConnectionsPercent 50 exceeds MaxConnectionsPercent 40" in said) == (2, True), said


def test_a_deployment_over_the_ruins_of_another(
    moto: MotoServer, poolbench: Poolbench, checkout: None
) -> None:
    create_stack({})
    (stack,) = stack_backend().stacks.values()
    stack.status = "ROLLBACK_COMPLETE"
    code, said = poolbench("deploy")
    assert (code, "is ROLLBACK_COMPLETE: CloudFormation does not say why; remove it" in said) == (1, True), (
        said
    )


def test_a_deployment_without_its_tools(moto: MotoServer, poolbench: Poolbench, tmp_path: Path) -> None:
    make_bundle(tmp_path)
    code, said = poolbench("deploy")
    assert (code, "is not there: run `make aws-up` in a checkout of poolbench" in said) == (1, True), said


def test_a_deployment_without_a_bundle(moto: MotoServer, poolbench: Poolbench) -> None:
    code, said = poolbench("deploy")
    assert (code, "make one with `poolbench bundle`" in said) == (1, True), said


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("IdleTimeout=5", (2, "--parameter: unknown 'IdleTimeout': did you mean 'IdleClientTimeout'?")),
        ("FleetConcurrency=many", (2, "FleetConcurrency is 'many': give a whole number")),
        ("DatabaseClass=db.t3.nano", (1, "RDS has no db.t3.nano with MySQL 8.0.40 in us-east-1")),
    ],
)
def test_a_parameter_that_nothing_would_come_of(
    moto: MotoServer, poolbench: Poolbench, checkout: None, name: str, refused: tuple[int, str]
) -> None:
    expected, message = refused
    code, said = poolbench("deploy", "--parameter", name, "--parameter", "EngineVersion=8.0.40")
    assert (code, message in said) == (expected, True), said


def test_too_few_zones_with_a_proxy(moto: MotoServer, poolbench: Poolbench, checkout: None) -> None:
    moto.orderable = ("us-east-1e", "us-east-1a")
    code, said = poolbench("deploy")
    assert (code, "MySQL 8.4, and us-east-1 has 1: choose another" in said) == (
        1,
        True,
    )


def test_a_name_that_neither_the_proxy_nor_roles_could_have(
    moto: MotoServer, poolbench: Poolbench, checkout: None
) -> None:
    for name in ("My_Stack", "double--hyphen", "long" * 8):
        code, said = poolbench("deploy", "--stack", name)
        assert (code, f"stack '{name}': use up to 31 lower-case letters" in said) == (2, True), said


def test_an_attempt_before_which_nothing_was_created_is_in_nobodys_way(
    moto: MotoServer, poolbench: Poolbench, checkout: None
) -> None:
    create_stack({})
    (stack,) = stack_backend().stacks.values()
    stack.status = "REVIEW_IN_PROGRESS"
    code, said = poolbench("doctor", "--aws")
    assert (code, "is REVIEW_IN_PROGRESS: nothing was created; `make aws-up` tries again" in said) == (
        1,
        True,
    )
    code, said = poolbench("deploy", "--parameter", "EngineVersion=8.0.40")
    assert (code, "RDS has no db.t4g.medium with MySQL 8.0.40" in said) == (1, True), said  # so far it came


@pytest.fixture
def checkout(tmp_path: Path) -> None:
    """One whose SAM is not to be asked."""
    make_checkout(tmp_path)
