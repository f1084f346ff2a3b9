"""Who gets which environment: Lambda's rules, and what holds whatever the environments do."""

from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.lab.aws.environment import EnvironmentState
from poolbench.lab.aws.fleet import Fallback, choose


@dataclass(frozen=True)
class Fake:
    state: EnvironmentState
    provisioned: bool = False
    version: str = "1"


FROZEN, BUSY, DRAINING, RESET = (
    EnvironmentState.FROZEN,
    EnvironmentState.BUSY,
    EnvironmentState.DRAINING,
    EnvironmentState.RESET,
)
STARTING, GONE = EnvironmentState.INITIALIZING, EnvironmentState.GONE


def ask(
    *environments: Fake, waiting: int = 0, provisioned: int = 0, limit: int = 10, version: str = "1"
) -> Fake | Fallback:
    chosen: Any = choose(
        cast(Any, environments), version, waiting=waiting, provisioned=provisioned, limit=limit
    )
    return cast(Fake | Fallback, chosen)


@pytest.mark.parametrize(
    ("environments", "settings", "expected"),
    [
        ([], {}, Fallback.START),
        ([], {"limit": 0}, Fallback.THROTTLE),
        ([Fake(FROZEN)], {}, Fake(FROZEN)),
        ([Fake(RESET)], {}, Fake(RESET)),
        ([Fake(GONE)], {}, Fallback.START),
        ([Fake(BUSY)], {"limit": 1}, Fallback.THROTTLE),
        ([Fake(BUSY)], {"limit": 2}, Fallback.START),
        ([Fake(STARTING)], {"limit": 1}, Fallback.THROTTLE),
        ([Fake(DRAINING)], {"limit": 1}, Fallback.WAIT),
        ([Fake(DRAINING)], {"limit": 1, "waiting": 1}, Fallback.THROTTLE),
        ([Fake(DRAINING)], {"limit": 2, "waiting": 1}, Fallback.START),
        ([Fake(BUSY), Fake(FROZEN)], {"limit": 1}, Fallback.THROTTLE),  # of $LATEST, say: the limit is one
        ([Fake(FROZEN, version="$LATEST")], {}, Fallback.START),
        ([Fake(FROZEN, True)], {"provisioned": 1, "limit": 1}, Fake(FROZEN, True)),
        ([Fake(FROZEN), Fake(FROZEN, True), Fake(RESET)], {"provisioned": 1}, Fake(FROZEN, True)),
        ([Fake(DRAINING, True), Fake(FROZEN)], {"provisioned": 1}, Fallback.WAIT),
        ([Fake(BUSY, True), Fake(FROZEN)], {"provisioned": 1, "limit": 2}, Fake(FROZEN)),
        ([Fake(BUSY, True), Fake(FROZEN)], {"provisioned": 1, "limit": 1}, Fallback.THROTTLE),
        ([Fake(FROZEN, True)], {"provisioned": 1, "limit": 1, "version": "$LATEST"}, Fallback.THROTTLE),
        ([Fake(STARTING, True)], {"provisioned": 1, "limit": 2}, Fallback.START),  # replaced: spills over
    ],
)
def test_the_choice(environments: list[Fake], settings: dict[str, int], expected: Fake | Fallback) -> None:
    assert ask(*environments, **settings) == expected  # type: ignore[arg-type]


def test_of_equals_the_one_used_last_is_taken() -> None:
    first, last = Fake(FROZEN), Fake(FROZEN)
    assert ask(first, last) is last


ENVIRONMENTS = st.lists(
    st.builds(Fake, st.sampled_from(EnvironmentState), st.booleans(), st.sampled_from(["1", "$LATEST"])),
    max_size=8,
)


@given(
    ENVIRONMENTS, st.integers(0, 8), st.integers(0, 4), st.integers(0, 8), st.sampled_from(["1", "$LATEST"])
)
def test_what_runs_on_demand_never_exceeds_what_is_left(
    environments: list[Fake], waiting: int, provisioned: int, limit: int, version: str
) -> None:
    choice = ask(*environments, waiting=waiting, provisioned=provisioned, limit=limit, version=version)
    in_flight = sum(e.state.in_flight and not e.provisioned for e in environments)
    if choice is Fallback.START or (isinstance(choice, Fake) and not choice.provisioned):
        assert in_flight + 1 <= limit - provisioned
    if isinstance(choice, Fake):
        assert choice.state.available
        assert choice.version == version
    if choice is Fallback.WAIT:
        assert waiting < sum(e.state is DRAINING and e.version == version for e in environments)
    if choice is Fallback.THROTTLE:
        assert not any(e.provisioned and e.state.available and e.version == version for e in environments)
