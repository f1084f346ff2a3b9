"""The cap holds, those who wait are served in turn or told 9501, and idle connections are given up."""

import asyncio
import threading
import time
from typing import Any

import pymysql
import pytest

from poolbench.lab.mysql import RunningServer
from poolbench.lab.proxy import Backend, ProxyFault, ProxySettings
from poolbench.lab.proxy import server as proxy_server
from poolbench.lab.proxy.config import ProxyConfig
from poolbench.lab.proxy.database import Facts, Identity, Opened
from poolbench.lab.proxy.errors import DatabaseRefused
from poolbench.lab.proxy.protocol import packet
from poolbench.lab.proxy.server import Proxy
from poolbench.lab.proxy.session import SessionState
from tests.lab.proxy.conftest import (
    OTHER_USER,
    USER,
    Database,
    Start,
    borrowed,
    eventually,
    hold_all,
    rows,
    value,
)

TIMED_OUT = "Timed-out waiting to acquire database connection"


@pytest.mark.any_server
def test_who_waits_for_longer_than_the_borrow_timeout_gets_9501(database: Database, start: Start) -> None:
    proxy = start(max_connections_percent=1, connection_borrow_timeout=0.3)
    waiting = database.connect(proxy.port)
    in_use = hold_all(database, proxy)
    began = time.monotonic()
    with pytest.raises(pymysql.OperationalError) as error:
        rows(waiting, "SELECT 1")
    assert error.value.args == (9501, TIMED_OUT)
    assert time.monotonic() - began >= 0.3
    assert any(event["kind"] == "borrow_timeout" for event in proxy.events()["events"])
    in_use[0].rollback()
    assert rows(waiting, "SELECT 1") == ((1,),)  # the same client connection goes on


@pytest.mark.any_server
def test_a_new_client_that_finds_no_connection_gets_9501_too(database: Database, start: Start) -> None:
    proxy = start(max_connections_percent=1, connection_borrow_timeout=0.2)
    in_use = hold_all(database, proxy)
    with pytest.raises(pymysql.OperationalError) as error:
        database.connect(proxy.port)
    assert error.value.args == (9501, TIMED_OUT)
    assert len(in_use) == borrowed(proxy)


@pytest.mark.any_server
def test_clients_in_a_hurry_open_no_more_connections_than_there_are_clients(
    database: Database, start: Start
) -> None:
    """While a connection is being opened, others come back; who asks next must not open yet another."""
    proxy = start()
    clients = [database.connect(proxy.port) for _ in range(6)]
    statement = packet(0, b"\x03DO 1")
    for client in clients:
        client._sock.sendall(statement * 2000)
    for client in clients:
        left = 2000 * 11  # an OK packet
        while left:
            left -= len(client._sock.recv(left))
    assert proxy.metrics()["DatabaseConnectionsSetupSucceeded"] <= len(clients)


@pytest.mark.any_server
def test_those_who_wait_are_served_in_turn(database: Database, start: Start) -> None:
    proxy = start(max_connections_percent=1)
    waiting = [database.connect(proxy.port) for _ in range(3)]
    in_use = hold_all(database, proxy)
    asked = proxy.events()["next"]

    def commands() -> int:
        return sum(client["commands"].get("COM_QUERY", 0) for client in proxy.clients())

    threads = [threading.Thread(target=rows, args=(client, "SELECT 1")) for client in waiting]
    before = commands()
    for number, thread in enumerate(threads, 1):
        thread.start()
        eventually(lambda expected=before + number: bool(commands() == expected))  # type: ignore[misc]
    in_use[0].rollback()
    for thread in threads:
        thread.join()
    served = [event["client"] for event in proxy.events(since=asked)["events"] if event["kind"] == "borrow"]
    assert served == [client.thread_id() for client in waiting]


@pytest.mark.any_server
def test_a_borrow_timeout_of_0_takes_a_free_connection_or_none(database: Database, start: Start) -> None:
    proxy = start(connection_borrow_timeout=0)
    with pytest.raises(pymysql.OperationalError) as error:
        database.connect(proxy.port)
    assert error.value.args == (9501, TIMED_OUT)
    eventually(lambda: proxy.metrics()["DatabaseConnections"] == 1)  # opened for the next one
    client = database.connect(proxy.port)
    assert rows(client, "SELECT 1") == ((1,),)


def test_a_connection_that_the_server_killed_is_replaced_unnoticed(database: Database, start: Start) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    database.server.execute(f"KILL {value(client, 'SELECT CONNECTION_ID()')}")
    eventually(lambda: proxy.metrics()["DatabaseConnections"] == 0)
    assert rows(client, "SELECT 1") == ((1,),)


def test_a_connection_lost_in_a_transaction_ends_its_client(database: Database, start: Start) -> None:
    proxy = start()
    client, idle = database.connect(proxy.port), database.connect(proxy.port)
    client.begin()
    database.server.execute(f"KILL {value(client, 'SELECT CONNECTION_ID()')}")
    with pytest.raises(pymysql.OperationalError) as error:
        rows(client, "SELECT 1")
    assert error.value.args[0] in {2006, 2013}
    assert rows(idle, "SELECT 1") == ((1,),)


@pytest.mark.any_server
def test_while_the_database_is_away_clients_wait_and_idle_ones_survive(
    database: Database, start: Start
) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    proxy.fail(ProxyFault.SERVER_RESTART)
    eventually(lambda: proxy.metrics()["DatabaseConnections"] == 0)
    answer: list[Any] = []
    thread = threading.Thread(target=lambda: answer.append(rows(client, "SELECT 1")))
    thread.start()
    eventually(lambda: proxy.metrics()["DatabaseConnectionsSetupFailed"] > 1)
    assert answer == []
    proxy.fail(ProxyFault.IDLE_CLOSE)
    thread.join()
    assert answer == [((1,),)]


def test_a_password_that_the_database_refuses_is_the_clients_to_see(
    database: Database, server: RunningServer, start: Start
) -> None:
    proxy = start()
    password = database.accounts[OTHER_USER]
    server.server.execute(f"ALTER USER '{OTHER_USER}'@'%' IDENTIFIED BY 'changed'")
    try:
        with pytest.raises(pymysql.OperationalError) as error:
            database.connect(proxy.port, user=OTHER_USER)
    finally:
        server.server.execute(f"ALTER USER '{OTHER_USER}'@'%' IDENTIFIED BY '{password}'")
    assert error.value.args[0] == 1045
    assert rows(database.connect(proxy.port, user=USER), "SELECT 1") == ((1,),)


def test_an_unknown_schema_is_refused_at_login_with_the_servers_words(
    database: Database, start: Start
) -> None:
    proxy = start()
    with pytest.raises(pymysql.OperationalError) as through:
        database.connect(proxy.port, database="there_is_none")
    with pytest.raises(pymysql.OperationalError) as direct:
        database.connect(database="there_is_none")
    assert through.value.args[0] == direct.value.args[0]


def test_what_nobody_foresaw_is_told_and_not_tried_again_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = []

    def fail(_: Backend, identity: Identity, __: str) -> Opened:
        tried.append(identity.user)
        raise RuntimeError("'cryptography' package is required")  # as PyMySQL says where it is not installed

    async def borrow() -> None:
        config = ProxyConfig(backend=Backend("", 0, "", ""), accounts={USER: ""}, settings=ProxySettings())
        facts = Facts("8.4.0", max_connections=10, autocommit=True, charset=45, collations={})
        await Proxy(config, facts).context.pool.borrow(1, Identity(USER, 0), SessionState(None, True), 30)

    monkeypatch.setattr(proxy_server, "open_connection", fail)
    with pytest.raises(DatabaseRefused, match=r"the proxy failed: RuntimeError.*cryptography"):
        asyncio.run(borrow())
    assert tried == [USER]
    assert "Traceback" in capsys.readouterr().err
