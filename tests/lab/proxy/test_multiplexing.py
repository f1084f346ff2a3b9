"""Many clients share few database connections, and none of them notices."""

import threading
from collections.abc import Callable
from typing import Any

import pymysql
import pytest

from poolbench.lab.proxy import RunningProxy
from poolbench.lab.proxy.statements import TRACKED
from tests.lab.proxy.conftest import (
    OTHER_SCHEMA,
    OTHER_USER,
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


def test_with_autocommit_clients_share_one_database_connection(
    database: Database, proxy: RunningProxy
) -> None:
    clients = [database.connect(proxy.port) for _ in range(10)]
    assert len({backend_of(client) for client in clients}) == 1
    assert borrowed(proxy) == 0


def test_a_transaction_keeps_its_database_connection_until_it_ends(
    database: Database, proxy: RunningProxy
) -> None:
    one, other = database.connect(proxy.port), database.connect(proxy.port)
    one.begin()
    mine = backend_of(one)
    assert mine not in {backend_of(other) for _ in range(3)}
    assert backend_of(one) == mine
    assert borrowed(proxy) == 1
    one.commit()
    assert borrowed(proxy) == 0


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_without_autocommit_the_first_read_holds_until_the_end(
    database: Database, proxy: RunningProxy, end: str
) -> None:
    client = database.connect(proxy.port, autocommit=False)
    assert borrowed(proxy) == 0
    rows(client, "SELECT * FROM item")
    assert borrowed(proxy) == 1
    assert proxy.metrics()["DatabaseConnectionsCurrentlyInTransaction"] == 1
    getattr(client, end)()
    assert borrowed(proxy) == 0


def test_an_error_without_autocommit_holds_until_the_state_is_known(
    database: Database, proxy: RunningProxy
) -> None:
    client = database.connect(proxy.port, autocommit=False)
    with pytest.raises(pymysql.err.IntegrityError):
        rows(client, "INSERT INTO item VALUES (1, 'again')")
    assert borrowed(proxy) == 1
    client.rollback()
    assert borrowed(proxy) == 0


def test_an_open_transaction_is_rolled_back_when_its_client_vanishes(
    database: Database, proxy: RunningProxy
) -> None:
    client, observer = database.connect(proxy.port), database.connect()
    client.begin()
    rows(client, "UPDATE account SET balance = balance + 100 WHERE id = 1")
    before = value(observer, "SELECT balance FROM account WHERE id = 1")
    client._force_close()  # no COM_QUIT
    eventually(lambda: borrowed(proxy) == 0)
    assert value(observer, "SELECT balance FROM account WHERE id = 1 FOR UPDATE") == before
    again = database.connect(proxy.port)
    assert value(again, "SELECT balance FROM account WHERE id = 1") == before
    assert proxy.metrics()["DatabaseConnectionsCurrentlyInTransaction"] == 0


def test_a_running_statement_is_not_handed_on_when_its_client_vanishes(
    database: Database, proxy: RunningProxy
) -> None:
    client = database.connect(proxy.port)
    busy = backend_of(client)
    client._execute_command(3, "SELECT SLEEP(3)")
    client._force_close()
    other = database.connect(proxy.port)
    assert backend_of(other) != busy


STATE: list[tuple[str, str, Any]] = [
    ("SET time_zone = '+03:00'", "SELECT @@time_zone", "+03:00"),
    ("SET SESSION sql_mode = 'ANSI_QUOTES'", "SELECT @@sql_mode", "ANSI_QUOTES"),
    ("SET NAMES latin1", "SELECT @@character_set_client", "latin1"),
    ("SET CHARACTER SET latin1", "SELECT @@character_set_results", "latin1"),
    ("SET wait_timeout = 123", "SELECT @@wait_timeout", 123),
    ("SET autocommit = 0", "SELECT @@autocommit", 0),
    (f"USE {OTHER_SCHEMA}", "SELECT DATABASE()", OTHER_SCHEMA),
    (
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SELECT variable_value FROM {schema}.session_variables WHERE variable_name LIKE 't%isolation'",
        "SERIALIZABLE",
    ),
]


@pytest.mark.parametrize(("statement", "question", "expected"), STATE, ids=[case[0] for case in STATE])
def test_tracked_state_follows_its_client_and_nobody_else(
    database: Database, proxy: RunningProxy, statement: str, question: str, expected: Any
) -> None:
    question = question.format(schema="information_schema" if database.is_mariadb else "performance_schema")
    one, other = database.connect(proxy.port), database.connect(proxy.port)
    default = value(other, question)
    rows(one, statement)
    for _ in range(2):  # back and forth over the same database connection
        assert value(one, question) == expected
        one.rollback()
        assert value(other, question) == default != expected
    assert pinned(proxy) == []
    assert borrowed(proxy) == 0


OTHER_VALUES = {
    "auto_increment_increment": "7",
    "character_set_client": "latin1",
    "character_set_connection": "latin1",
    "character_set_database": "latin1",
    "character_set_filesystem": "utf8mb4",
    "character_set_results": "NULL",
    "character_set_server": "latin1",
    "collation_connection": "latin1_bin",
    "collation_database": "latin1_bin",
    "collation_server": "latin1_bin",
    "interactive_timeout": "77",
    "net_write_timeout": "77",
    "query_cache_type": "OFF",
    "session_track_schema": "OFF",
    "sql_mode": "'ANSI'",
    "time_zone": '"+03:00"',
    "transaction_isolation": "'SERIALIZABLE'",
    "transaction_read_only": "1",
    "tx_isolation": "'SERIALIZABLE'",
    "tx_read_only": "1",
    "wait_timeout": "77",
}


def test_every_tracked_variable_reads_as_it_does_without_the_proxy(
    database: Database, proxy: RunningProxy
) -> None:
    assert OTHER_VALUES.keys() == TRACKED - {"autocommit", "names", "character set"}  # those are above
    other, followed = database.connect(proxy.port), set()
    for name, literal in OTHER_VALUES.items():
        one, direct = database.connect(proxy.port), database.connect()
        try:
            rows(direct, f"SET {name} = {literal}")
        except pymysql.MySQLError:  # this server has no such variable, or lets nobody set it
            continue
        default, expected = value(other, f"SELECT @@{name}"), value(direct, f"SELECT @@{name}")
        rows(one, f"SET {name} = {literal}")
        for _ in range(2):
            assert (name, value(one, f"SELECT @@{name}")) == (name, expected)
            assert (name, value(other, f"SELECT @@{name}")) == (name, default)
        followed.add(name)
        one.close()
        direct.close()
    assert len(followed) >= 16
    assert pinned(proxy) == []


def test_init_db_is_tracked_as_use_is(database: Database, proxy: RunningProxy) -> None:
    one, other = database.connect(proxy.port), database.connect(proxy.port)
    one.select_db(OTHER_SCHEMA)
    assert value(other, "SELECT DATABASE()") == SCHEMA
    assert value(one, "SELECT DATABASE()") == OTHER_SCHEMA


def test_a_client_without_a_schema_never_finds_itself_in_one(database: Database, proxy: RunningProxy) -> None:
    inside, outside = database.connect(proxy.port), database.connect(proxy.port, database=None)
    assert value(inside, "SELECT DATABASE()") == SCHEMA
    assert value(outside, "SELECT DATABASE()") is None


def test_a_dropped_schema_is_nobodys_default(database: Database, proxy: RunningProxy) -> None:
    client = database.connect(proxy.port)
    administrator = database.server
    administrator.execute(
        "CREATE DATABASE IF NOT EXISTS proxy_tests_gone",
        f"GRANT ALL ON proxy_tests_gone.* TO '{client.user.decode()}'@'%'",
    )
    rows(client, "USE proxy_tests_gone")
    rows(client, "DROP DATABASE proxy_tests_gone")
    assert value(client, "SELECT DATABASE()") is None
    assert rows(client, "SELECT 1") == ((1,),)


def test_found_rows_is_not_shared_with_those_who_did_not_ask_for_it(
    database: Database, proxy: RunningProxy
) -> None:
    found = database.connect(proxy.port, client_flag=pymysql.constants.CLIENT.FOUND_ROWS)
    changed = database.connect(proxy.port)
    for client, affected in ((found, 1), (changed, 0), (found, 1)):
        with client.cursor() as cursor:
            assert cursor.execute("UPDATE item SET v = 'one' WHERE id = 1") == affected


def test_users_do_not_share_database_connections(database: Database, proxy: RunningProxy) -> None:
    one, other = database.connect(proxy.port), database.connect(proxy.port, user=OTHER_USER)
    assert value(one, "SELECT CURRENT_USER()") != value(other, "SELECT CURRENT_USER()")


def test_what_a_statement_left_behind_is_still_there_for_its_client(
    database: Database, proxy: RunningProxy
) -> None:
    clients = [database.connect(proxy.port) for _ in range(3)]
    rows(clients[0], "SELECT 1/0")
    warnings = rows(clients[0], "SHOW WARNINGS")
    assert [code for _, code, _ in warnings] == [1365]


def test_init_query_runs_on_every_database_connection_and_after_every_reset(
    database: Database, start: Start
) -> None:
    proxy = start(init_query="SET SESSION max_sort_length = 77; SET time_zone = '+07:00'")
    client = database.connect(proxy.port)
    question = "SELECT @@max_sort_length, @@time_zone"
    assert rows(client, question) == ((77, "+07:00"),)
    rows(client, "SET @x = 1, SESSION max_sort_length = 99")
    client.close()
    eventually(lambda: borrowed(proxy) == 0)
    assert rows(database.connect(proxy.port), question) == ((77, "+07:00"),)


def test_64_clients_over_8_database_connections_lose_nothing(database: Database, start: Start) -> None:
    clients, transactions, backends = 64, 50, 8
    limit = database.server.max_connections
    database.server.execute(f"SET GLOBAL max_connections = {100 * backends}")
    try:
        proxy = start(max_connections_percent=1)
    finally:
        database.server.execute(f"SET GLOBAL max_connections = {limit}")
    assert proxy.metrics()["MaxDatabaseConnectionsAllowed"] == backends
    database.server.execute(f"UPDATE {SCHEMA}.account SET balance = 0")
    errors: list[BaseException] = []

    def work() -> None:
        try:
            client = database.connect(proxy.port, autocommit=False)
            for _ in range(transactions):
                rows(client, "SELECT balance FROM account WHERE id = 1 FOR UPDATE")
                rows(client, "UPDATE account SET balance = balance + 1 WHERE id = 1")
                client.commit()
            client.close()
        except BaseException as error:
            errors.append(error)

    _all_at_once(work, clients)
    assert errors == []
    assert database.server.execute(f"SELECT balance FROM {SCHEMA}.account WHERE id = 1") == [
        (clients * transactions,)
    ]
    assert proxy.metrics()["DatabaseConnectionsSetupSucceeded"] == backends


def _all_at_once(work: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
