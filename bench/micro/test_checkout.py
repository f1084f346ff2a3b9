"""Checkout and return on a warm engine of each strategy, with and without a SELECT, beside the plain pool."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import URL

from micro.cases import AT_CHECKOUT, Case, Group, engine_of, plain_request, request, warm_request
from micro.paired import PairedBenchmark
from poolbench.function.strategies import REFERENCE


@contextmanager
def warm_checkout(strategy: str, at: URL) -> Iterator[Case]:
    with engine_of(strategy, at) as engine:
        yield Case(lambda: engine.connect().close())


@contextmanager
def first_request(strategy: str, at: URL) -> Iterator[Case]:
    def first() -> None:
        with engine_of(strategy, at) as engine:
            request(engine)

    yield Case(first)


@pytest.mark.benchmark(group=Group.REQUEST)
@pytest.mark.parametrize("strategy", AT_CHECKOUT)
def test_request(strategy: str, paired: PairedBenchmark) -> None:
    paired(partial(warm_request, strategy), reference=plain_request, strategy=strategy)


@pytest.mark.benchmark(group=Group.CHECKOUT)
@pytest.mark.parametrize("strategy", AT_CHECKOUT)
def test_checkout(strategy: str, paired: PairedBenchmark) -> None:
    paired(partial(warm_checkout, strategy), reference=partial(warm_checkout, REFERENCE), strategy=strategy)


@pytest.mark.benchmark(group=Group.NEW_ENGINE)
@pytest.mark.parametrize("strategy", [REFERENCE])
def test_new_engine(strategy: str, paired: PairedBenchmark) -> None:
    paired(partial(first_request, strategy), reference=plain_request, rounds=100, strategy=strategy)
