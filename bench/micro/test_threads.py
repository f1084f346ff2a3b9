"""Many threads on one engine: a pool smaller than they are, one as large, and none; beside the default pool."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import URL, Engine, NullPool, QueuePool, create_engine

from bench.micro.paired import Action, Case, Paired
from bench.micro.requests import request

THREADS, REQUESTS = 8, 80
DEFAULT: dict[str, Any] = {}  # five connections that stay, and ten more while they are needed
POOLS = {
    "pool of 5": {"poolclass": QueuePool, "pool_size": 5, "max_overflow": 0},
    "pool of 8": {"poolclass": QueuePool, "pool_size": 8, "max_overflow": 0},
    "nullpool": {"poolclass": NullPool},
}

Burst = Callable[[URL, dict[str, Any]], Action]


@pytest.fixture
def burst() -> Iterator[Burst]:
    """Make actions that send all requests at once and wait for the last."""
    with ExitStack() as opened:

        def make(at: URL, pool: dict[str, Any]) -> Action:
            engine: Engine = create_engine(at, connect_args={"ssl_disabled": True}, **pool)
            opened.callback(engine.dispose)
            threads = opened.enter_context(ThreadPoolExecutor(THREADS))
            return lambda: list(threads.map(request, [engine] * REQUESTS))

        yield make


@pytest.mark.benchmark(group=f"{REQUESTS} requests on {THREADS} threads")
@pytest.mark.parametrize("pool", POOLS)
def test_threads(pool: str, url: URL, burst: Burst, paired: Paired) -> None:
    paired(
        lambda at: Case(burst(at, POOLS[pool])),
        reference=burst(url, DEFAULT),
        rounds=30,
        strategy=pool,
        requests=REQUESTS,
        threads=THREADS,
    )
