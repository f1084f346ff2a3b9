"""Checkout, one SELECT and return, on a warm engine of each strategy, against the plain pool's."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from bench.function.strategies import REFERENCE, STRATEGIES
from bench.micro.conftest import request, wire_commands
from bench.micro.paired import Paired


@pytest.mark.benchmark(group="request, warm")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_request(strategy: str, engine_of: Callable[..., Engine], paired: Paired) -> None:
    engine, plain = engine_of(strategy), engine_of(REFERENCE)
    counted = engine_of(strategy)
    commands = wire_commands(counted, lambda: request(counted))
    paired(
        lambda: request(engine),
        reference=lambda: request(plain),
        strategy=strategy,
        driver=engine.dialect.driver,
        wire_commands=commands,
    )


@pytest.mark.benchmark(group="checkout and return alone, warm")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_checkout(strategy: str, engine_of: Callable[..., Engine], paired: Paired) -> None:
    engine, plain = engine_of(strategy), engine_of(REFERENCE)
    counted = engine_of(strategy)
    commands = wire_commands(counted, lambda: counted.connect().close())
    paired(
        lambda: engine.connect().close(),
        reference=lambda: plain.connect().close(),
        strategy=strategy,
        driver=engine.dialect.driver,
        wire_commands=commands,
    )


@pytest.mark.benchmark(group="first request of a new engine")
def test_new_engine(engine_of: Callable[..., Engine], paired: Paired) -> None:
    warm = engine_of(REFERENCE)

    def first() -> None:
        engine = engine_of(REFERENCE)
        request(engine)
        engine.dispose()

    paired(first, reference=lambda: request(warm), rounds=100, strategy=REFERENCE, wire_commands=12)
