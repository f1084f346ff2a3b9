"""The request after the server has killed the pooled connection, beside a warm one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import URL, Engine, NullPool, text
from sqlalchemy.exc import OperationalError

from micro.cases import Case, Group, engine_of, plain_request, request
from micro.paired import PairedBenchmark
from poolbench.function.strategies import REFERENCE

GONE_WITHIN_S = 5.0


def request_again(engine: Engine) -> None:
    """The plain pool's way out: lose the request, send it again."""
    try:
        request(engine)
    except OperationalError:
        request(engine)
    else:
        raise AssertionError("the killed connection answered")


def kill_pooled(engine: Engine, killer: Engine) -> None:
    """End the connection that the pool holds, and wait until it is gone; the pool does not learn of it."""
    if isinstance(engine.pool, NullPool):  # which holds none
        return
    with engine.connect() as connection:
        victim: int = connection.execute(text("SELECT CONNECTION_ID()")).scalar_one()
    listed = text("SELECT COUNT(*) FROM information_schema.processlist WHERE id = :victim")
    with killer.connect() as connection:
        connection.execute(text(f"KILL CONNECTION {victim}"))
        deadline = time.monotonic() + GONE_WITHIN_S
        while connection.execute(listed, {"victim": victim}).scalar_one():
            assert time.monotonic() < deadline, f"connection {victim} outlives its KILL"
            time.sleep(0.001)


@contextmanager
def request_after_kill(strategy: str, action: Callable[[Engine], None], at: URL) -> Iterator[Case]:
    with engine_of(strategy, at) as engine, engine_of(REFERENCE, at) as killer:
        yield Case(lambda: action(engine), before=lambda: kill_pooled(engine, killer))


WAYS_OUT = {
    "nullpool": ("nullpool", request),
    "pre_ping": ("pre_ping", request),
    f"{REFERENCE}, sent again": (REFERENCE, request_again),
}


@pytest.mark.benchmark(group=Group.RECOVERY)
@pytest.mark.parametrize("way", WAYS_OUT)
def test_recovery(way: str, paired: PairedBenchmark) -> None:
    strategy, action = WAYS_OUT[way]
    paired(
        partial(request_after_kill, strategy, action),
        reference=plain_request,
        rounds=100,
        strategy=strategy,
    )
