"""The request after the server has killed the pooled connection, against a warm one."""

import contextlib
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from bench.function.strategies import REFERENCE
from bench.micro.conftest import request
from bench.micro.paired import Paired

ROUNDS = 100


class Killer:
    """Ends the pooled connection of an engine from another one's, and waits until it is gone."""

    def __init__(self, engine: Engine, other: Engine) -> None:
        self._engine, self._other = engine, other

    def __call__(self) -> None:
        """Kill; the pool does not learn of it."""
        with self._engine.connect() as victim:
            own: int = victim.execute(text("SELECT CONNECTION_ID()")).scalar_one()
        with self._other.connect() as connection:
            connection.execute(text(f"KILL CONNECTION {own}"))
            listed = text("SELECT COUNT(*) FROM information_schema.processlist WHERE id = :id")
            while connection.execute(listed, {"id": own}).scalar_one():
                time.sleep(0.001)


def retried(engine: Engine) -> None:
    """The plain pool's way out: lose the request, send it again."""
    with contextlib.suppress(OperationalError):
        request(engine)
        raise AssertionError("the killed connection answered")
    request(engine)


@pytest.mark.benchmark(group="first request after a kill")
@pytest.mark.parametrize("strategy", ["pre_ping", "nullpool"])
def test_recovery(strategy: str, engine_of: Callable[..., Engine], paired: Paired) -> None:
    engine, warm = engine_of(strategy), engine_of(REFERENCE)
    kill = Killer(engine, engine_of(REFERENCE)) if strategy != "nullpool" else None
    paired(
        lambda: request(engine),
        reference=lambda: request(warm),
        before=kill,
        rounds=ROUNDS,
        strategy=strategy,
    )


@pytest.mark.benchmark(group="first request after a kill")
def test_recovery_by_retry(engine_of: Callable[..., Engine], paired: Paired) -> None:
    engine, warm = engine_of(REFERENCE), engine_of(REFERENCE)
    paired(
        lambda: retried(engine),
        reference=lambda: request(warm),
        before=Killer(engine, engine_of(REFERENCE)),
        rounds=ROUNDS,
        strategy=REFERENCE,
    )
