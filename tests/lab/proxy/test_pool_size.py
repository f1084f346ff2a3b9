"""How many database connections there are: a cap that may move, idle ones given up, old ones renewed."""

import threading

import pytest

from poolbench.lab.proxy import RunningProxy
from tests.lab.proxy.conftest import OTHER_USER, Database, Start, borrowed, eventually, hold_all, rows, value

pytestmark = pytest.mark.any_server


def opened(proxy: RunningProxy) -> int:
    """How many there are now."""
    return int(proxy.metrics()["DatabaseConnections"])


def queries(proxy: RunningProxy) -> int:
    """How many it has been sent."""
    return int(proxy.metrics()["QueryRequests"])


def test_the_cap_is_a_percentage_of_the_servers_max_connections(database: Database, start: Start) -> None:
    proxy = start(max_connections_percent=1)
    assert proxy.metrics()["MaxDatabaseConnectionsAllowed"] == database.server.max_connections // 100
    proxy.change(MaxConnectionsPercent=2)
    assert proxy.metrics()["MaxDatabaseConnectionsAllowed"] == database.server.max_connections * 2 // 100


def test_a_full_pool_of_one_user_makes_room_for_another(database: Database, start: Start) -> None:
    proxy = start(max_connections_percent=1)
    most = int(proxy.metrics()["MaxDatabaseConnectionsAllowed"])
    for client in hold_all(database, proxy):
        client.rollback()
    assert proxy.metrics()["DatabaseConnections"] == most
    other = database.connect(proxy.port, user=OTHER_USER)
    assert value(other, "SELECT CURRENT_USER()").startswith(OTHER_USER)
    assert proxy.metrics()["DatabaseConnections"] == most


def test_idle_connections_above_the_percentage_are_closed(database: Database, start: Start) -> None:
    proxy = start(max_connections_percent=1, max_idle_connections_percent=0, database_idle_after=0.3)
    for client in hold_all(database, proxy):
        client.rollback()
    assert proxy.metrics()["DatabaseConnections"] > 1
    eventually(lambda: proxy.metrics()["DatabaseConnections"] == 0)
    assert rows(database.connect(proxy.port), "SELECT 1") == ((1,),)


def test_connections_in_use_do_not_count_as_idle(database: Database, start: Start) -> None:
    proxy = start(max_connections_percent=1, max_idle_connections_percent=0, database_idle_after=0.2)
    client = database.connect(proxy.port)
    rows(client, "SET @x = 42")
    database.connect(proxy.port)
    assert opened(proxy) == 2
    eventually(lambda: opened(proxy) == 1)  # the younger one was idle for long enough, so this one was, too
    assert value(client, "SELECT @x") == 42


def test_a_lowered_cap_closes_free_connections_at_once_and_lent_ones_when_they_come_back(
    database: Database, start: Start
) -> None:
    proxy = start(max_connections_percent=2)
    most = int(proxy.metrics()["MaxDatabaseConnectionsAllowed"])
    in_use = hold_all(database, proxy)
    free = most // 4
    for client in in_use[:free]:
        client.rollback()
    assert opened(proxy) == most
    proxy.change(MaxConnectionsPercent=1)
    cap = int(proxy.metrics()["MaxDatabaseConnectionsAllowed"])
    eventually(lambda: opened(proxy) == most - free)
    assert borrowed(proxy) == most - free > cap  # nobody's transaction is cut off
    for client in in_use[free:]:
        assert rows(client, "SELECT 1") == ((1,),)
        client.rollback()
    eventually(lambda: opened(proxy) == cap)
    assert borrowed(proxy) == 0
    assert [rows(client, "SELECT 1") for client in in_use] == [((1,),)] * most


def test_a_raised_cap_serves_those_who_wait(database: Database, start: Start) -> None:
    proxy = start(max_connections_percent=1)
    waiting = [database.connect(proxy.port) for _ in range(3)]
    in_use = hold_all(database, proxy)
    answers: list[object] = []
    threads = [
        threading.Thread(target=lambda client=client: answers.append(rows(client, "SELECT 1")))
        for client in waiting
    ]
    before = queries(proxy)
    for thread in threads:
        thread.start()
    eventually(lambda: queries(proxy) == before + len(threads))
    assert answers == []
    proxy.change(MaxConnectionsPercent=2)
    for thread in threads:
        thread.join()
    assert answers == [((1,),)] * 3
    assert borrowed(proxy) == len(in_use)


def test_an_old_connection_is_closed_once_nobody_uses_it(database: Database, start: Start) -> None:
    proxy = start(database_lifetime=1)
    client = database.connect(proxy.port)
    client.begin()
    first = value(client, "SELECT CONNECTION_ID()")
    database.connect(proxy.port)
    assert opened(proxy) == 2
    eventually(lambda: opened(proxy) == 1)  # the younger one was old enough, so this one is, too
    assert value(client, "SELECT CONNECTION_ID()") == first
    client.rollback()
    eventually(lambda: opened(proxy) == 0)
    assert value(client, "SELECT CONNECTION_ID()") != first
