"""Many threads, one engine: a pool smaller than the threads, and no pool."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, QueuePool, create_engine

from bench.function.strategies import REFERENCE
from bench.micro.conftest import request
from bench.micro.paired import Paired

THREADS, EACH, ROUNDS = 8, 10, 30


def burst(executor: ThreadPoolExecutor, engine: Engine) -> None:
    """EACH requests on each of the threads."""
    for done in [executor.submit(request, engine) for _ in range(THREADS * EACH)]:
        done.result()


@pytest.mark.benchmark(group=f"{THREADS * EACH} requests on {THREADS} threads")
@pytest.mark.parametrize("kind", ["pool of 5", "pool of 8", "nullpool"])
def test_threads(kind: str, engine_of: Callable[..., Engine], paired: Paired) -> None:
    plain = engine_of(REFERENCE)
    if kind == "nullpool":
        engine = engine_of("nullpool")
    else:
        size = int(kind.rpartition(" ")[2])
        engine = create_engine(
            plain.url,
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=0,
            connect_args={"ssl_disabled": True},
        )
    with ThreadPoolExecutor(THREADS) as executor:
        paired(
            lambda: burst(executor, engine),
            reference=lambda: burst(executor, plain),
            rounds=ROUNDS,
            strategy=kind,
        )
    engine.dispose()
