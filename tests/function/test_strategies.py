"""The registry, and the control."""

from contextlib import closing

import pytest
from sqlalchemy import URL, Engine, QueuePool, create_engine

from poolbench.function.client import Client
from poolbench.function.measure import measure
from poolbench.function.strategies import STRATEGIES, BadEngine, Setting, UnknownStrategy, build_engine, get
from poolbench.function.workload import WORKLOADS, point_select
from poolbench.model.row import Outcome


def test_every_strategy_says_what_it_is_for_its_price_and_where_it_fails() -> None:
    for name, strategy in STRATEGIES.items():
        assert strategy.name == name
        assert all((strategy.purpose, strategy.price, strategy.fails))


def test_a_misspelt_strategy_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownStrategy, match=r"unknown strategy 'preping': did you mean 'pre_ping'\?"):
        get("preping")


def test_the_control_does_the_same_work_and_touches_no_server() -> None:
    with closing(Client(None, None)) as control:
        measured = measure(control, point_select, 5.0)
    assert measured.outcome is Outcome.OK
    assert measured.seen.wire_commands is None
    assert measured.seen.connection_id is None


@pytest.mark.parametrize("workload", sorted(WORKLOADS))
def test_every_workload_runs_on_the_control(workload: str) -> None:
    with closing(Client(None, None)) as control:
        assert measure(control, WORKLOADS[workload], 5.0).outcome is Outcome.OK


def make_mine(url: URL) -> Engine:
    return create_engine(url, pool_size=1)


def make_nothing(_url: URL) -> None:
    return None


SETTING = Setting(url=URL.create("mysql+pymysql", host="nowhere"), idle_client_timeout_s=1.0, label="x")


def test_somebodys_own_engine_is_a_strategy() -> None:
    engine = build_engine(get(f"{__name__}:make_mine"), SETTING)
    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.size() == 1


def test_a_factory_that_makes_something_else_is_named() -> None:
    with pytest.raises(BadEngine, match=r"make_nothing made NoneType, not a sqlalchemy.Engine"):
        build_engine(get(f"{__name__}:make_nothing"), SETTING)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module:make", "No module named 'no_such_module'"),
        (f"{__name__}:nothing", "no attribute 'nothing'"),
    ],
)
def test_a_factory_that_cannot_be_imported_is_named_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(UnknownStrategy, match=reason):
        get(name)
