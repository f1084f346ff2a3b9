"""The registry, and the control."""

import pytest

from bench.function.client import Client
from bench.function.measure import measure
from bench.function.record import Outcome
from bench.function.strategies import STRATEGIES, UnknownStrategy, get
from bench.function.workload import point_select


def test_every_strategy_says_what_it_is_for_its_price_and_where_it_fails() -> None:
    for name, strategy in STRATEGIES.items():
        assert strategy.name == name
        assert all((strategy.purpose, strategy.price, strategy.fails))


def test_a_misspelt_strategy_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownStrategy, match=r"unknown strategy 'preping': did you mean 'pre_ping'\?"):
        get("preping")


def test_the_control_does_the_same_work_and_touches_no_server() -> None:
    measured = measure(Client(None, None), point_select, 5.0)
    assert measured.outcome is Outcome.OK
    assert measured.seen.wire_commands is None
    assert measured.seen.connection_id is None
