"""Checkout and return on a warm engine of each strategy, with one SELECT or without, beside the plain pool's."""

import pytest
from sqlalchemy import URL

from bench.function.strategies import REFERENCE
from bench.micro.paired import Case, Paired
from bench.micro.requests import AT_CHECKOUT, EngineOf, request


@pytest.mark.benchmark(group="warm request")
@pytest.mark.parametrize("strategy", AT_CHECKOUT)
def test_request(strategy: str, url: URL, engine_of: EngineOf, paired: Paired) -> None:
    def make(at: URL) -> Case:
        engine = engine_of(strategy, at)
        return Case(lambda: request(engine))

    plain = engine_of(REFERENCE, url)
    paired(make, reference=lambda: request(plain), strategy=strategy)


@pytest.mark.benchmark(group="warm checkout and return, nothing between")
@pytest.mark.parametrize("strategy", AT_CHECKOUT)
def test_checkout(strategy: str, url: URL, engine_of: EngineOf, paired: Paired) -> None:
    def make(at: URL) -> Case:
        engine = engine_of(strategy, at)
        return Case(lambda: engine.connect().close())

    plain = engine_of(REFERENCE, url)
    paired(make, reference=lambda: plain.connect().close(), strategy=strategy)


@pytest.mark.benchmark(group="first request of a new engine")
@pytest.mark.parametrize("strategy", [REFERENCE])
def test_new_engine(strategy: str, url: URL, engine_of: EngineOf, paired: Paired) -> None:
    def make(at: URL) -> Case:
        def first() -> None:
            engine = engine_of(strategy, at)
            request(engine)
            engine.dispose()

        return Case(first)

    plain = engine_of(REFERENCE, url)
    paired(make, reference=lambda: request(plain), rounds=100, strategy=strategy)
