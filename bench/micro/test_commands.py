"""Single commands on an open connection, beside a ping on another one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import URL, Connection, text

from bench.function.strategies import REFERENCE
from bench.function.workload import items, point_select
from bench.micro.paired import Action, Case, Paired
from bench.micro.requests import EngineOf

pytestmark = pytest.mark.benchmark(group="one command on an open connection")

Open = Callable[[URL], Connection]


@pytest.fixture
def connect(engine_of: EngineOf) -> Iterator[Open]:
    with ExitStack() as opened:
        yield lambda at: opened.enter_context(engine_of(REFERENCE, at).connect())


@pytest.fixture
def reference(connect: Open, url: URL) -> Action:
    return ping_on(connect(url))


def ping_on(connection: Connection) -> Action:
    raw = connection.connection.dbapi_connection
    assert raw is not None  # it is open
    return lambda: connection.dialect.do_ping(raw)


def test_ping(connect: Open, reference: Action, paired: Paired) -> None:
    paired(lambda at: Case(ping_on(connect(at))), reference=reference)


def test_select_1(connect: Open, reference: Action, paired: Paired) -> None:
    one = text("SELECT 1")

    def make(at: URL) -> Case:
        connection = connect(at)
        return Case(lambda: connection.execute(one).scalar())

    paired(make, reference=reference)


def test_point_select(connect: Open, reference: Action, paired: Paired) -> None:
    def make(at: URL) -> Case:
        connection = connect(at)
        return Case(lambda: point_select(connection))

    paired(make, reference=reference)


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("of", ["nothing", "an update"])
def test_end(end: str, of: str, connect: Open, reference: Action, paired: Paired) -> None:
    update = items.update().where(items.c.id == 1).values(hits=items.c.hits + 1)

    def make(at: URL) -> Case:
        connection = connect(at)
        action = getattr(connection.connection.dbapi_connection, end)
        return Case(action, (lambda: connection.execute(update)) if of == "an update" else lambda: None)

    paired(make, reference=reference)
