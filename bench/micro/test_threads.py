"""Many threads on one engine: a pool smaller than they are, one as large, none; beside the default pool."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import URL, NullPool, QueuePool, create_engine

from micro.cases import Case, Group, request
from micro.paired import PairedBenchmark

THREADS, REQUESTS = 8, 80
POOLS: dict[str, dict[str, Any]] = {
    "pool of 5": {"poolclass": QueuePool, "pool_size": 5, "max_overflow": 0},
    "pool of 8": {"poolclass": QueuePool, "pool_size": 8, "max_overflow": 0},
    "nullpool": {"poolclass": NullPool},
}


@contextmanager
def burst(at: URL, **pool: Any) -> Iterator[Case]:
    """All requests at once, until the last is answered."""
    engine = create_engine(at, connect_args={"ssl_disabled": True}, **pool)
    with ThreadPoolExecutor(THREADS) as threads:
        yield Case(lambda: list(threads.map(request, [engine] * REQUESTS)))
    engine.dispose()


@pytest.mark.benchmark(group=Group.THREADS)
@pytest.mark.parametrize("pool", POOLS)
def test_threads(pool: str, paired: PairedBenchmark) -> None:
    paired(
        partial(burst, **POOLS[pool]),
        reference=burst,  # the default pool: five connections that stay, ten more while they are needed
        rounds=40,
        strategy=pool,
        requests=REQUESTS,
        threads=THREADS,
    )
