"""Single commands on an open connection, against a bare ping."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from bench.function.strategies import REFERENCE
from bench.function.workload import items, point_select
from bench.micro.paired import Paired

GROUP = "one command on an open connection"


@pytest.fixture
def connection(engine_of: Callable[..., Engine]) -> Iterator[Connection]:
    with engine_of(REFERENCE).connect() as opened:
        yield opened


def ping(connection: Connection) -> None:
    connection.engine.dialect.do_ping(connection.connection.dbapi_connection)  # type: ignore[arg-type]


@pytest.mark.benchmark(group=GROUP)
def test_ping(connection: Connection, paired: Paired) -> None:
    paired(lambda: ping(connection), reference=lambda: ping(connection), wire_commands=1)


@pytest.mark.benchmark(group=GROUP)
def test_select_1(connection: Connection, paired: Paired) -> None:
    one = text("SELECT 1")
    paired(lambda: connection.execute(one).scalar(), reference=lambda: ping(connection), wire_commands=1)


@pytest.mark.benchmark(group=GROUP)
def test_point_select(connection: Connection, paired: Paired) -> None:
    paired(lambda: point_select(connection), reference=lambda: ping(connection), wire_commands=1)


@pytest.mark.benchmark(group=GROUP)
@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("written", [False, True], ids=["nothing", "an update"])
def test_end_of_transaction(end: str, written: bool, connection: Connection, paired: Paired) -> None:
    raw = connection.connection.dbapi_connection
    update = items.update().where(items.c.id == 1).values(hits=items.c.hits + 1)
    paired(
        getattr(raw, end),
        reference=lambda: ping(connection),
        before=(lambda: connection.execute(update)) if written else None,
        wire_commands=1,
    )
