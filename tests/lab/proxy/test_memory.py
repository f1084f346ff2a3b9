"""Whatever clients send or do not take, and however many they are: the proxy's memory stays bounded."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pymysql.constants import ER

from poolbench.lab.process import anonymous_mb
from poolbench.lab.proxy import RunningProxy
from poolbench.lab.proxy.client import PROGRAM_LENGTH
from poolbench.lab.proxy.faults import ProxyFault
from poolbench.lab.proxy.protocol import error, packet
from tests.lab.proxy.conftest import Database, Start, rows, value

MB = 1 << 20


def memory(proxy: RunningProxy) -> float:
    """Bytes of the proxy's own."""
    return anonymous_mb(proxy.pid) * MB


def settled(read: Callable[[], float]) -> float:
    """Wait until a number no longer changes."""
    seen = -1.0
    while seen != (seen := read()):
        time.sleep(0.3)
    return seen


@pytest.mark.any_server
def test_more_commands_than_fit_wait_in_the_clients_own_kernel(
    database: Database, proxy: RunningProxy
) -> None:
    client = database.connect(proxy.port)
    before = memory(proxy)
    client._execute_command(3, "SELECT SLEEP(0.3)")
    client._sock.sendall(packet(0, b"\x03SELECT 1") * 200 + packet(0, b"\x03SELECT SLEEP(1)"))
    client._sock.settimeout(0.8)
    with pytest.raises(TimeoutError):
        client._sock.sendall(packet(0, b"\x03SELECT '" + b"x" * 10_000 + b"'") * 6400)  # 64 MB
    assert memory(proxy) - before < 16 * MB


@pytest.mark.any_server
def test_a_client_that_only_asks_fills_no_memory_and_gets_every_answer_later(
    database: Database, proxy: RunningProxy
) -> None:
    client, other = database.connect(proxy.port), database.connect(proxy.port)
    before = memory(proxy)
    commands = 1_000_000
    asks = threading.Thread(target=client._sock.sendall, args=(packet(0, b"\x77") * commands,))
    asks.start()

    def taken() -> int:
        return int(proxy.metrics()["ClientCommands"])

    assert settled(taken) < commands
    assert memory(proxy) - before < 8 * MB
    assert rows(other, "SELECT 1") == ((1,),)
    owed = commands * len(error(1, ER.UNKNOWN_COM_ERROR, "08S01", "Unknown command"))
    while owed:
        owed -= len(client._sock.recv(min(owed, MB)))
    asks.join()
    assert rows(client, "SELECT 1") == ((1,),)


@pytest.mark.any_server
def test_one_that_does_not_wait_to_be_let_in_fills_no_memory(database: Database, start: Start) -> None:
    proxy = start()
    before = memory(proxy)
    proxy.fail(ProxyFault.PAUSE)
    with socket.create_connection((proxy.host, proxy.port), timeout=0.5) as eager:
        with pytest.raises(TimeoutError):
            eager.sendall(bytes(64 * MB))
        assert memory(proxy) - before < 16 * MB


@pytest.mark.any_server
def test_a_programs_name_is_kept_no_longer_than_it_is_of_use(database: Database, start: Start) -> None:
    proxy = start()
    client = database.connect(proxy.port, program_name="p" * 20_000)
    (name,) = proxy.metrics()["ClientConnections"]
    assert rows(client, "SELECT 1") == ((1,),)
    assert name == "p" * PROGRAM_LENGTH
    assert not any(len(event["detail"] or "") > PROGRAM_LENGTH for event in proxy.events()["events"])


@pytest.mark.any_server
@pytest.mark.parametrize("tls", [False, True])
def test_a_client_that_does_not_read_fills_no_memory(
    database: Database, proxy: RunningProxy, tls: bool
) -> None:
    how: dict[str, Any] = {}
    if tls:
        how = {"ssl_disabled": False, "ssl": ssl.create_default_context(cafile=str(proxy.authority))}
    client, other = database.connect(proxy.port, **how), database.connect(proxy.port)
    before = memory(proxy)
    client._execute_command(3, "SELECT REPEAT('x', 1000000) FROM item a, item b, item c, item d")  # 81 MB
    settled(lambda: memory(proxy))
    assert memory(proxy) - before < 16 * MB
    assert rows(other, "SELECT 1") == ((1,),)
    client._read_query_result()
    assert {len(row[0]) for row in client._result.rows} == {1_000_000}
    assert len(client._result.rows) == 81
    assert rows(client, "SELECT 1") == ((1,),)


def test_a_statement_of_many_megabytes_passes_through_without_being_held(
    database: Database, proxy: RunningProxy
) -> None:
    allowed = int(value(database.connect(), "SELECT @@max_allowed_packet"))
    size = min(allowed, 40 * MB) - 1000
    before = memory(proxy)
    client = database.connect(proxy.port)
    assert value(client, f"SELECT LENGTH('{'x' * size}')") == size
    assert memory(proxy) - before < 16 * MB


@pytest.mark.any_server
@pytest.mark.slow
def test_two_thousand_idle_clients_cost_little_each(database: Database, start: Start) -> None:
    proxy = start()
    first = database.connect(proxy.port)
    before = memory(proxy)
    clients = [database.connect(proxy.port) for _ in range(2000)]
    assert proxy.metrics()["ClientConnectionsNoTLS"] == 2001
    assert proxy.metrics()["DatabaseConnections"] == 1
    assert (memory(proxy) - before) / len(clients) < 16 * 1024
    assert rows(first, "SELECT 1") == ((1,),)
