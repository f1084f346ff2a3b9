"""Every driver gets through the proxy what it gets from the server, in each of the protocol's forms."""

import asyncio
import contextlib
import importlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from poolbench.lab.cache import cache_directory
from poolbench.lab.libraries import mysqlclient, mysqlclient_plugins
from poolbench.lab.proxy import RunningProxy
from tests.lab.proxy.conftest import OTHER_USER, SCHEMA, USER, Database, eventually, pinned, rows, value

Run = Callable[[str], list[tuple[Any, ...]]]


@contextlib.contextmanager
def synchronous(name: str, database: Database, port: int, **options: Any) -> Iterator[Run]:
    driver = importlib.import_module(name)
    connection = driver.connect(**_arguments(database, port), autocommit=True, **options)

    def run(statement: str) -> list[tuple[Any, ...]]:
        cursor = connection.cursor()
        cursor.execute(statement)
        return list(cursor.fetchall())

    with contextlib.closing(connection):
        yield run


@contextlib.contextmanager
def asynchronous(name: str, database: Database, port: int) -> Iterator[Run]:
    driver = importlib.import_module(name)
    arguments = _arguments(database, port)
    arguments["db"] = arguments.pop("database")

    async def once(statement: str) -> list[tuple[Any, ...]]:
        connection = await driver.connect(**arguments, autocommit=True)
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(statement)
                return list(await cursor.fetchall())
        finally:
            await connection.ensure_closed()

    yield lambda statement: asyncio.run(once(statement))


def _arguments(database: Database, port: int) -> dict[str, Any]:
    return {
        "host": database.server.host,
        "port": port,
        "user": USER,
        "password": database.accounts[USER],
        "database": SCHEMA,
    }


DRIVERS: dict[str, Callable[[Database, int], contextlib.AbstractContextManager[Run]]] = {
    "MySQLdb": lambda database, port: synchronous("MySQLdb", database, port),
    "mysql.connector": lambda database, port: synchronous(
        "mysql.connector", database, port, ssl_disabled=True
    ),
    "asyncmy": lambda database, port: asynchronous("asyncmy", database, port),
    "aiomysql": lambda database, port: asynchronous("aiomysql", database, port),
}


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find mysqlclient, where it was compiled beside the environment."""
    if made := mysqlclient():
        monkeypatch.syspath_prepend(str(made))
    if plugins := mysqlclient_plugins():
        monkeypatch.setenv("MARIADB_PLUGIN_DIR", str(plugins))


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("driver", DRIVERS)
def test_every_driver_gets_what_the_server_has(database: Database, proxy: RunningProxy, driver: str) -> None:
    pytest.importorskip(driver)
    with DRIVERS[driver](database, proxy.port) as run:
        assert run("SELECT id, v FROM item ORDER BY id") == [(1, "one"), (2, "two"), (3, "three")]
        assert run("SELECT REPEAT('x', 100000)") == [("x" * 100_000,)]
        with pytest.raises(Exception, match=r"1146|there_is_none"):
            run("SELECT * FROM there_is_none")


def _command_line() -> Path:
    """The client program that came with the private server."""
    found = next(cache_directory().glob("**/usr/bin/mariadb"), None)
    if found is None:
        pytest.skip("no mariadb command line below the cache directory")
    return found


def test_the_command_line_gets_what_the_server_has(database: Database, proxy: RunningProxy) -> None:
    program = _command_line()
    (libraries,) = (program.parents[1] / "lib").glob("*-linux-gnu")
    server = ["-h", proxy.host, "-P", str(proxy.port), "-u", USER]
    done = subprocess.run(
        [
            program,
            "--no-defaults",
            f"--plugin-dir={libraries / 'libmariadb3' / 'plugin'}",
            *server,
            "-N",
            SCHEMA,
        ],
        input="SELECT v FROM item WHERE id = 2; USE proxy_tests_too; SELECT DATABASE(); STATUS;",
        env=os.environ | {"MYSQL_PWD": database.accounts[USER], "LD_LIBRARY_PATH": str(libraries)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[:2] == ["two", "proxy_tests_too"]


@pytest.fixture
def both(database: Database, proxy: RunningProxy) -> tuple[Any, Any]:
    """The same client direct and through the proxy."""
    flag = pymysql.constants.CLIENT.MULTI_STATEMENTS
    return database.connect(client_flag=flag), database.connect(proxy.port, client_flag=flag)


def every_result_of(connection: Any) -> list[Any]:
    """Rows, or the error, of a statement that was sent already."""
    try:
        connection._read_query_result()
    except pymysql.MySQLError as error:
        return [error.args]
    return [connection._result.rows]


def every_result(connection: Any, statements: str) -> list[Any]:
    """Rows or affected rows of each result, and the error that ended them."""
    results: list[Any] = []
    with connection.cursor() as cursor:
        try:
            cursor.execute(statements)
            results.append(cursor.fetchall() or cursor.rowcount)
            while cursor.nextset():
                results.append(cursor.fetchall() or cursor.rowcount)
        except pymysql.MySQLError as error:
            results.append(error.args)
    return results


@pytest.mark.parametrize(
    "statements",
    [
        "SELECT 1; SELECT 2 FROM item; DO 1; SELECT 3",
        "SELECT 1; SELECT * FROM there_is_none; SELECT 2",
        "UPDATE item SET v = v; SELECT v FROM item WHERE id = 1",
        "SELECT v, 1/0, NULL, '' FROM item ORDER BY id",
        "SELECT * FROM item WHERE id = -1",
        "SELECT (SELECT v FROM item)",  # an error in the middle of rows
        "SELECT EXP(id * 1000) FROM item",
        "CALL several_results()",
    ],
)
def test_results_are_the_same_through_the_proxy(
    both: tuple[Any, Any], database: Database, statements: str
) -> None:
    database.server.execute(
        f"USE {SCHEMA}",
        "DROP PROCEDURE IF EXISTS several_results",
        "CREATE PROCEDURE several_results() BEGIN SELECT 1; SELECT v FROM item ORDER BY id; DO 1; END",
        f"GRANT EXECUTE ON {SCHEMA}.* TO '{USER}'@'%'",
    )
    direct, through = both
    assert every_result(through, statements) == every_result(direct, statements)
    assert rows(through, "SELECT 1") == ((1,),)


def test_a_million_rows_come_through(database: Database, proxy: RunningProxy) -> None:
    digits = "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4"
    digits += (
        " UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
    )
    tables = ", ".join(f"{digits} t{number}" for number in range(6))
    total = " + ".join(f"t{number}.d * {10**number}" for number in range(6))
    client = database.connect(proxy.port, cursorclass=pymysql.cursors.SSCursor)
    with client.cursor() as cursor:
        cursor.execute(f"SELECT {total} FROM {tables}")
        count, checksum = 0, 0
        for (number,) in cursor:
            count, checksum = count + 1, checksum + int(number)
    assert (count, checksum) == (1_000_000, 999_999 * 1_000_000 // 2)


def test_64_megabytes_come_through_as_one_value(database: Database, proxy: RunningProxy) -> None:
    size = 64 << 20
    database.server.execute(f"SET GLOBAL max_allowed_packet = {2 * size}")
    client = database.connect(proxy.port)
    allowed = int(value(client, "SELECT @@max_allowed_packet"))
    # A session keeps the limit that it began with, so that an older one of the pool may have a lower one.
    size = min(size, allowed - 1024)
    answer = value(client, f"SELECT REPEAT('x', {size})")
    assert len(answer) == size
    assert rows(client, "SELECT 1") == ((1,),)


def test_prepared_statements_pin_and_work(database: Database, proxy: RunningProxy) -> None:
    connector = pytest.importorskip("mysql.connector")
    client = connector.connect(**_arguments(database, proxy.port), ssl_disabled=True, use_pure=True)
    with contextlib.closing(client):
        cursor = client.cursor(prepared=True)
        for number, text in ((1, "one"), (3, "three")):
            cursor.execute("SELECT v FROM item WHERE id = ?", (number,))
            assert cursor.fetchall() == [(text,)]
        assert pinned(proxy) == ["prepared statement"]


def test_change_user_changes_everything(database: Database, proxy: RunningProxy) -> None:
    connector = pytest.importorskip("mysql.connector")
    client = connector.connect(**_arguments(database, proxy.port), ssl_disabled=True, use_pure=True)
    client.cursor().execute("SET @x = 1")
    client.cmd_change_user(OTHER_USER, database.accounts[OTHER_USER], SCHEMA)
    cursor = client.cursor()
    cursor.execute("SELECT CURRENT_USER(), @x, DATABASE()")
    ((user, variable, schema),) = cursor.fetchall()
    assert (user.partition("@")[0], variable, schema) == (OTHER_USER, None, SCHEMA)
    with pytest.raises(connector.Error, match="1045"):
        client.cmd_change_user(OTHER_USER, "wrong", SCHEMA)
    client._socket.close_connection()


def test_kill_by_the_proxys_number_hits_the_right_one(database: Database, proxy: RunningProxy) -> None:
    victim, killer, bystander = (database.connect(proxy.port) for _ in range(3))
    victim.begin()
    rows(killer, f"KILL CONNECTION {victim.thread_id()}")
    with pytest.raises(pymysql.OperationalError):
        rows(victim, "SELECT 1")
    assert rows(bystander, "SELECT 1") == ((1,),)
    assert rows(killer, "SELECT 1") == ((1,),)


def test_kill_as_a_command_of_the_protocol_hits_the_right_one_too(
    database: Database, proxy: RunningProxy
) -> None:
    victim, killer = database.connect(proxy.port), database.connect(proxy.port)
    killer._execute_command(0x0C, victim.thread_id().to_bytes(4, "little"))
    killer._read_ok_packet()
    with pytest.raises(pymysql.OperationalError):
        rows(victim, "SELECT 1")
    assert rows(killer, "SELECT 1") == ((1,),)


def test_kill_query_interrupts_the_statement_and_leaves_the_connection(
    database: Database, proxy: RunningProxy
) -> None:
    victim, killer = database.connect(proxy.port), database.connect(proxy.port)
    victim._execute_command(3, "SELECT SLEEP(20)")
    running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(20)'"
    eventually(lambda: database.server.execute(running) == [(1,)])  # before that, there is nothing to kill
    rows(killer, f"KILL QUERY {victim.thread_id()}")
    (answer,) = every_result_of(victim)
    assert answer in [((1,),), (1317, "Query execution was interrupted")]  # SLEEP() returns 1, or fails
    assert rows(victim, "SELECT 1") == ((1,),)


def test_kill_of_another_users_connection_is_denied(database: Database, proxy: RunningProxy) -> None:
    victim, killer = database.connect(proxy.port), database.connect(proxy.port, user=OTHER_USER)
    with pytest.raises(pymysql.MySQLError) as error:
        rows(killer, f"KILL {victim.thread_id()}")
    assert error.value.args[0] == 1095
    assert rows(victim, "SELECT 1") == ((1,),)


def test_ping_is_answered_without_a_database_connection(database: Database, proxy: RunningProxy) -> None:
    client = database.connect(proxy.port)
    before = proxy.metrics()["DatabaseConnectionsBorrowLatency"]["count"]
    client.ping(reconnect=False)
    assert proxy.metrics()["DatabaseConnectionsBorrowLatency"]["count"] == before
    proxy.change(PingDatabase=True)
    client.ping(reconnect=False)
    assert proxy.metrics()["DatabaseConnectionsBorrowLatency"]["count"] == before + 1
    proxy.change(PingDatabase=False)
