"""Whatever clients do in whatever order, each gets through the proxy what it would get from the server."""

from collections.abc import Sequence
from typing import Any

import pymysql
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymysql.constants import CLIENT, COMMAND

from poolbench.lab.proxy import RunningProxy
from tests.lab.proxy.conftest import OTHER_SCHEMA, SCHEMA, Database, borrowed, eventually

CLIENTS = 3
# What the clients do must not depend on how they interleave in time, so each has a table of its own.
STATEMENTS = [
    "SELECT id, v FROM stream{n} ORDER BY id",
    "INSERT INTO stream{n} (v) VALUES ('a'), ('b')",
    "INSERT INTO stream{n} (id, v) VALUES (1, 'duplicate')",
    "UPDATE stream{n} SET v = CONCAT(v, 'x')",
    "DELETE FROM stream{n} WHERE id % 2 = 0",
    "BEGIN",
    "START TRANSACTION READ ONLY",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "ROLLBACK TO SAVEPOINT s",
    "SET autocommit = 0",
    "SET autocommit = 1",
    "SELECT @@autocommit, DATABASE(), @@time_zone, @@sql_mode, @@wait_timeout, @@max_sort_length",
    "SELECT @@character_set_client, @@character_set_results, @@collation_connection",
    "SET time_zone = '+0{n}:00'",
    "SET SESSION sql_mode = 'ANSI_QUOTES'",
    "SET sql_mode = DEFAULT",
    "SET NAMES latin1",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET CHARACTER SET latin1",
    "SET character_set_results = NULL",
    "SET wait_timeout = 1{n}00, time_zone = 'SYSTEM'",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION max_sort_length = 8{n}",
    "SET @x = {n}",
    "SELECT @x, @y",
    "SELECT @y := 7",
    f"USE {OTHER_SCHEMA}",
    f"USE {SCHEMA}",
    "USE there_is_none",
    "CREATE TEMPORARY TABLE IF NOT EXISTS scratch (a INT)",
    "INSERT INTO scratch VALUES ({n})",
    "SELECT SUM(a) FROM scratch",
    "SELECT GET_LOCK('stream{n}', 0)",
    "SELECT RELEASE_LOCK('stream{n}')",
    "PREPARE p FROM 'SELECT ? + 1'",
    "SET @z = 4",
    "EXECUTE p USING @z",
    "SELECT 1; SELECT v FROM stream{n} ORDER BY id; SELECT 3",
    "SELECT 1; SELECT * FROM there_is_none; SET time_zone = '+05:00'",
    "SET time_zone = '+06:00'; BEGIN; SELECT 1",
    "this is not SQL",
    "",
]
SPECIAL = ["ping", "reset", "init_db", "statistics", "reconnect", "binary", "bad binary"]
STEPS = st.lists(
    st.tuples(st.integers(0, CLIENTS - 1), st.sampled_from([*STATEMENTS, *SPECIAL])), min_size=1, max_size=25
)


class Client:
    """One client, direct or through the proxy."""

    def __init__(self, database: Database, port: int | None, number: int) -> None:
        self._database, self._port, self._number = database, port, number
        self._connect()

    def _connect(self) -> None:
        self._connection = self._database.connect(self._port, client_flag=CLIENT.MULTI_STATEMENTS)

    def do(self, step: str) -> Any:
        try:
            match step:
                case "ping":
                    self._connection.ping(reconnect=False)
                    return None
                case "reset":
                    self._connection._execute_command(0x1F, b"")
                    self._connection._read_ok_packet()
                    return None
                case "init_db":
                    return self._connection.select_db(SCHEMA)
                case "statistics":
                    self._connection._execute_command(COMMAND.COM_STATISTICS, b"")
                    return self._connection._read_packet().get_all_data()[:6]
                case "reconnect":
                    self.close()
                    self._connect()
                    return None
                case "binary":
                    return self._binary(f"SELECT id, v FROM stream{self._number} ORDER BY id")
                case "bad binary":
                    return self._binary("SELECT no_such_column FROM item")
                case statement:
                    return self._query(statement.replace("{n}", str(self._number)))
        except pymysql.MySQLError as error:
            return error.args

    def _query(self, statement: str) -> list[Any]:
        answers: list[Any] = []
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(statement)
                while True:
                    names = [column[0] for column in cursor.description or ()]
                    answers.append((names, cursor.fetchall(), cursor.rowcount))
                    if not cursor.nextset():
                        return answers
            except pymysql.MySQLError as error:
                return [*answers, error.args]

    def _binary(self, statement: str) -> list[bytes]:
        """Prepare, execute and close a statement; the packets of its rows, in the binary protocol."""
        connection = self._connection
        connection._execute_command(COMMAND.COM_STMT_PREPARE, statement)
        prepared = connection._read_packet().get_all_data()
        for _ in range(int.from_bytes(prepared[5:7], "little") + 1):
            connection._read_packet()
        connection._execute_command(COMMAND.COM_STMT_EXECUTE, prepared[1:5] + b"\x00\x01\x00\x00\x00")
        packets = [connection._read_packet()]
        while sum(packet.is_eof_packet() for packet in packets) < 2:
            packets.append(connection._read_packet())
        connection._execute_command(COMMAND.COM_STMT_CLOSE, prepared[1:5])
        return [packet.get_all_data() for packet in packets]

    def close(self) -> None:
        self._connection.close()


def play(database: Database, port: int | None, steps: Sequence[tuple[int, str]]) -> list[Any]:
    """The answers to the steps, from tables as new."""
    for number in range(CLIENTS):
        database.server.execute(
            f"CREATE TABLE IF NOT EXISTS {SCHEMA}.stream{number} (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT)",
            f"TRUNCATE {SCHEMA}.stream{number}",
            f"INSERT INTO {SCHEMA}.stream{number} (v) VALUES ('first')",
        )
    clients = [Client(database, port, number) for number in range(CLIENTS)]
    try:
        return [(number, step, clients[number].do(step)) for number, step in steps]
    finally:
        for client in clients:
            client.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_answers_are_those_of_the_server(
    database: Database, proxy: RunningProxy, steps: list[tuple[int, str]]
) -> None:
    through = play(database, proxy.port, steps)
    eventually(lambda: borrowed(proxy) == 0)  # so that no lock is left when the tables are emptied
    assert through == play(database, None, steps)
