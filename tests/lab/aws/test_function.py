"""What Lambda would not accept is refused with the setting and its range; names mean what they mean there."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.lab.aws.function import BadFunction, BadReference, FunctionConfig, parse_reference
from poolbench.typed import build
from tests.lab.aws.conftest import FUNCTIONS

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
QUALIFIERS = st.one_of(st.just("$LATEST"), st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "a b"}, "function name 'a b': use 1 to 64 letters"),
        ({"handler": "handler"}, "function echo: handler 'handler': use module.function"),
        ({"timeout_s": 0}, "timeout_s is 0: use more than 0, up to 900"),
        ({"timeout_s": 901}, "timeout_s is 901"),
        ({"memory_mb": 64}, "memory_mb is 64: use 128 to 10240"),
        ({"provisioned_concurrency": -1}, "provisioned_concurrency is -1"),
        ({"reserved_concurrency": -1}, "reserved_concurrency is -1"),
        (
            {"provisioned_concurrency": 2, "reserved_concurrency": 1},
            "provisioned_concurrency 2 exceeds reserved_concurrency 1",
        ),
        ({"provisioned_concurrency": 1, "aliases": ()}, "needs an alias to call it by"),
        ({"aliases": ("7",)}, "alias '7'"),
        ({"environment": {"1A": "x"}}, "environment variable '1A': not a name"),
        ({"environment": {"AWS_REGION": "x"}}, "environment variable AWS_REGION is set by Lambda"),
        ({"code": Path("/no/such/directory")}, "code directory /no/such/directory does not exist"),
    ],
)
def test_a_setting_out_of_range_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadFunction, match=message):
        FunctionConfig(**{"name": "echo", "handler": "handlers.echo", **settings})


def test_a_package_that_is_not_installed_is_named_with_its_cure() -> None:
    config = FunctionConfig(name="echo", handler="no_such_package.echo")
    with pytest.raises(
        BadFunction, match=r"'no_such_package'.* is not installed: install it, or name its dir"
    ):
        config.task_root()


def test_a_config_survives_its_way_to_the_service() -> None:
    config = FunctionConfig(
        name="echo",
        handler="handlers.echo",
        code=FUNCTIONS,
        environment={"AB": "c"},
        timeout_s=1.5,
        reserved_concurrency=2,
        provisioned_concurrency=1,
        aliases=("live", "blue"),
    )
    arrived = build(FunctionConfig, config.as_dict())
    assert build(FunctionConfig, arrived.as_dict()) == arrived
    assert (arrived.environment, arrived.aliases, arrived.code) == ({"AB": "c"}, ("live", "blue"), FUNCTIONS)


def test_qualifiers_stand_for_versions() -> None:
    config = FunctionConfig(name="echo", handler="handlers.echo", aliases=("live",))
    qualifiers = (None, "$LATEST", "1", "live", "2", "gone")
    assert [config.version_of(each) for each in qualifiers] == ["$LATEST", "$LATEST", "1", "1", None, None]


@given(name=NAMES, qualifier=st.none() | QUALIFIERS, given_apart=st.booleans())
def test_every_way_to_name_a_function_means_the_same(
    name: str, qualifier: str | None, given_apart: bool
) -> None:
    for prefix in ("", "123456789012:function:", "arn:aws:lambda:eu-west-1:123456789012:function:"):
        suffix = f":{qualifier}" if qualifier and not given_apart else ""
        parsed = parse_reference(prefix + name + suffix, qualifier if given_apart else None)
        assert parsed == (name, qualifier)


@pytest.mark.parametrize(
    "reference", ["", "a b", "x" * 65, "a:b:c", "arn:aws:s3:::bucket", "12:function:a", ":a"]
)
def test_what_is_no_name_is_refused(reference: str) -> None:
    with pytest.raises(BadReference, match="failed to satisfy constraint"):
        parse_reference(reference, None)
