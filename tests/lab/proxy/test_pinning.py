"""What ties a client to one database connection, and what does not."""

import pymysql
import pytest

from poolbench.lab.proxy import RunningProxy
from tests.lab.proxy.conftest import (
    SCHEMA,
    Database,
    Start,
    backend_of,
    borrowed,
    eventually,
    pinned,
    rows,
    value,
)

PINNING: list[tuple[str, str]] = [
    ("SET @x = 1", "user variable"),
    ("SET SESSION max_sort_length = 64", "untracked variable"),
    ("CREATE TEMPORARY TABLE temporary_item (id INT)", "temporary table"),
    ("LOCK TABLES item READ", "LOCK TABLES"),
    ("SELECT GET_LOCK('proxy_tests', 0)", "GET_LOCK()"),
    ("PREPARE s FROM 'SELECT 1'", "prepared statement"),
    (f"SELECT '{'x' * 17_000}'", "statement longer than 16 KB"),
]


@pytest.mark.parametrize(("statement", "reason"), PINNING, ids=[reason for _, reason in PINNING])
def test_what_pins_pins_until_the_client_goes_and_leaves_nothing_behind(
    database: Database, proxy: RunningProxy, statement: str, reason: str
) -> None:
    client, other = database.connect(proxy.port), database.connect(proxy.port)
    before = proxy.metrics()["SessionPins"].get(reason, 0)
    rows(client, statement)
    assert pinned(proxy) == [reason]
    assert proxy.metrics()["SessionPins"][reason] == before + 1
    assert proxy.metrics()["DatabaseConnectionsCurrentlySessionPinned"] == 1
    assert backend_of(client) == backend_of(client) != backend_of(other)
    client.close()
    eventually(lambda: borrowed(proxy) == 0)
    fresh = database.connect(proxy.port)
    assert value(fresh, "SELECT @x") is None
    assert value(fresh, "SELECT @@max_sort_length") == value(database.connect(), "SELECT @@max_sort_length")
    assert value(fresh, "SELECT IS_FREE_LOCK('proxy_tests')") == 1
    with pytest.raises(pymysql.err.MySQLError):
        rows(fresh, "SELECT * FROM temporary_item")


@pytest.mark.parametrize(("length", "pins"), [(16 * 1024, []), (16 * 1024 + 1, [PINNING[-1][1]])])
def test_only_text_of_more_than_16_kb_pins(
    database: Database, proxy: RunningProxy, length: int, pins: list[str]
) -> None:
    client = database.connect(proxy.port)
    rows(client, "SELECT 1 /*".ljust(length - 2, "x") + "*/")
    assert pinned(proxy) == pins


def test_a_statement_that_failed_does_not_pin(database: Database, proxy: RunningProxy) -> None:
    client = database.connect(proxy.port)
    with pytest.raises(pymysql.err.MySQLError):
        rows(client, "LOCK TABLES there_is_none READ")
    assert pinned(proxy) == []


def test_variable_sets_can_be_kept_from_pinning(database: Database, start: Start) -> None:
    proxy = start(session_pinning_filters=("EXCLUDE_VARIABLE_SETS",))
    client = database.connect(proxy.port)
    rows(client, "SET @x = 1, SESSION max_sort_length = 64")
    assert pinned(proxy) == []
    rows(client, "CREATE TEMPORARY TABLE temporary_item (id INT)")
    assert pinned(proxy) == ["temporary table"]


def test_reset_connection_unpins(database: Database, proxy: RunningProxy) -> None:
    client = database.connect(proxy.port)
    rows(client, "SET @x = 1")
    client._execute_command(0x1F, b"")
    client._read_ok_packet()
    assert pinned(proxy) == []
    assert value(client, "SELECT @x") is None
    assert value(client, "SELECT DATABASE()") == SCHEMA
