"""Single commands on an open connection, beside a ping on another one."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import URL, text

from micro.cases import Case, Group, Make, engine_of
from micro.paired import PairedBenchmark
from poolbench.function.strategies import REFERENCE
from poolbench.function.workload import items, point_select

pytestmark = pytest.mark.benchmark(group=Group.COMMAND)

SELECT_1 = text("SELECT 1")
UPDATE = items.update().where(items.c.id == 1).values(hits=items.c.hits + 1)


@contextmanager
def ping(at: URL) -> Iterator[Case]:
    with engine_of(REFERENCE, at) as engine, engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None  # it is open
        yield Case(lambda: engine.dialect.do_ping(raw))


@contextmanager
def select_1(at: URL) -> Iterator[Case]:
    with engine_of(REFERENCE, at) as engine, engine.connect() as connection:
        yield Case(lambda: connection.execute(SELECT_1).scalar())


@contextmanager
def select_row(at: URL) -> Iterator[Case]:
    with engine_of(REFERENCE, at) as engine, engine.connect() as connection:
        yield Case(lambda: point_select(connection))


@contextmanager
def end(how: str, at: URL, *, updated: bool) -> Iterator[Case]:
    with engine_of(REFERENCE, at) as engine, engine.connect() as connection:
        action = getattr(connection.connection.dbapi_connection, how)
        yield Case(action, before=lambda: connection.execute(UPDATE)) if updated else Case(action)


COMMANDS: dict[str, Make] = {
    "ping": ping,
    "SELECT 1": select_1,
    "SELECT by primary key": select_row,
    "COMMIT of nothing": partial(end, "commit", updated=False),
    "COMMIT of an update": partial(end, "commit", updated=True),
    "ROLLBACK of nothing": partial(end, "rollback", updated=False),
    "ROLLBACK of an update": partial(end, "rollback", updated=True),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, paired: PairedBenchmark) -> None:
    paired(COMMANDS[command], reference=ping, strategy=REFERENCE)
