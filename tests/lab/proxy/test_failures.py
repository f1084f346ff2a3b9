"""Every way to die looks to a client as it is described."""

import os
import socket
import ssl
import threading
import time
from typing import Any

import pymysql
import pytest
from pymysql.constants import COMMAND

from poolbench.lab.proxy import DESCRIPTIONS, ControlFailed, Port, ProxyFault, RunningProxy
from tests.lab.proxy.conftest import Database, Start, borrowed, eventually, rows

pytestmark = pytest.mark.any_server
IDLE_S = 1.0


def wait_until_dead(proxy: RunningProxy) -> None:
    def is_dead() -> bool:
        how = {event["kind"]: event["detail"] for event in proxy.events()["events"]}
        return "idle_close" in how and (how["idle_close"] == ProxyFault.BLACK_HOLE or "close" in how)

    eventually(is_dead)


def what_comes(client: Any) -> bytes:
    """Everything that the proxy still sends, up to FIN."""
    client._sock.settimeout(5)
    received = b""
    while part := client._sock.recv(1000):
        received += part
    return received


def encrypted_end(client: Any) -> bytes:
    """What comes on the wire, up to FIN, from where the TLS session has been read.

    Not by reading the session: whether OpenSSL tells a cut from an end depends on what else was loaded.
    """
    with socket.socket(fileno=os.dup(client._sock.fileno())) as wire:
        wire.settimeout(30)
        return b"".join(iter(lambda: wire.recv(1000), b""))


@pytest.fixture
def dead(request: pytest.FixtureRequest, database: Database, start: Start) -> Any:
    """A client that a proxy has ended for being idle, in the way that the test is marked with."""
    proxy = start(listeners={"main": Port(failure=request.param)}, idle_client_timeout=IDLE_S)
    client = database.connect(proxy.port)
    wait_until_dead(proxy)
    return client


def outcome(client: Any) -> tuple[int, str]:
    with pytest.raises(pymysql.OperationalError) as error:
        rows(client, "SELECT 1")
    return error.value.args[0], error.value.args[1]


@pytest.mark.parametrize("dead", [ProxyFault.IDLE_CLOSE], indirect=True)
def test_idle_close_is_a_bare_fin(dead: Any) -> None:
    assert what_comes(dead) == b""


@pytest.mark.parametrize("dead", [ProxyFault.IDLE_CLOSE], indirect=True)
def test_idle_close_is_2013_to_the_next_statement(dead: Any) -> None:
    assert outcome(dead) == (2013, "Lost connection to MySQL server during query")


@pytest.mark.parametrize("dead", [ProxyFault.IDLE_ERROR], indirect=True)
def test_idle_error_is_4031_with_sequence_0_and_fin(dead: Any) -> None:
    received = what_comes(dead)
    assert received[3] == 0
    assert received[4:].startswith(b"\xff\xbf\x0f#HY000The client was disconnected by the server")


@pytest.mark.parametrize("dead", [ProxyFault.IDLE_RESET], indirect=True)
def test_idle_reset_is_a_connection_reset(dead: Any) -> None:
    with pytest.raises(ConnectionResetError):
        what_comes(dead)


@pytest.mark.parametrize("dead", [ProxyFault.BLACK_HOLE], indirect=True)
def test_in_a_black_hole_nothing_is_answered_and_nothing_ends(dead: Any) -> None:
    dead._sock.sendall(b"\x01\x00\x00\x00\x0e")
    dead._sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        dead._sock.recv(1)


def test_even_in_a_black_hole_nothing_is_kept_for_longer_than_a_client_lives(
    database: Database, start: Start
) -> None:
    proxy = start(
        listeners={"main": Port(failure=ProxyFault.BLACK_HOLE)}, idle_client_timeout=1, client_lifetime=2
    )
    client = database.connect(proxy.port)
    wait_until_dead(proxy)
    assert what_comes(client) == b""
    eventually(lambda: not any(each["open"] for each in proxy.clients()))


def test_a_black_hole_swallows_those_that_are_idle_and_no_others(database: Database, start: Start) -> None:
    proxy = start(listeners={"main": Port(failure=ProxyFault.BLACK_HOLE)}, idle_client_timeout=IDLE_S)
    swallowed = database.connect(proxy.port)
    wait_until_dead(proxy)
    assert rows(database.connect(proxy.port), "SELECT 1") == ((1,),)
    swallowed._force_close()
    eventually(lambda: proxy.metrics()["ClientConnectionsClosed"].get("idle") == 1)


@pytest.mark.parametrize(
    ("failure", "polite"), [(ProxyFault.IDLE_CLOSE, False), (ProxyFault.IDLE_CLOSE_NOTIFY, True)]
)
def test_only_idle_close_notify_ends_tls_in_order(
    database: Database, start: Start, failure: ProxyFault, polite: bool
) -> None:
    proxy = start(listeners={"main": Port(failure=failure)}, idle_client_timeout=IDLE_S)
    context = ssl.create_default_context(cafile=str(proxy.authority))
    client = database.connect(proxy.port, ssl_disabled=False, ssl=context)
    wait_until_dead(proxy)
    end = encrypted_end(client)
    # An alert of 2 bytes, its type and 16 of authentication, as application data (RFC 8446, 5.2).
    assert end[:5] == (b"\x17\x03\x03\x00\x13" if polite else b"")
    assert len(end) == (5 + 19 if polite else 0)


def test_activity_puts_the_idle_close_off_and_a_running_statement_is_no_idleness(
    database: Database, start: Start
) -> None:
    proxy = start(idle_client_timeout=IDLE_S)
    client = database.connect(proxy.port)

    def close_a_statement() -> None:  # which is not answered
        client._execute_command(COMMAND.COM_STMT_CLOSE, bytes(4))

    for act in (lambda: client.ping(reconnect=False), close_a_statement):
        began = time.monotonic()
        while time.monotonic() < began + 1.3 * IDLE_S:
            act()
            time.sleep(0.1 * IDLE_S)
    rows(client, f"SELECT SLEEP({1.3 * IDLE_S})")
    assert rows(client, "SELECT 1") == ((1,),)


def test_idle_in_a_transaction_is_idle_and_is_rolled_back(database: Database, start: Start) -> None:
    proxy = start(idle_client_timeout=IDLE_S)
    client = database.connect(proxy.port)
    client.begin()
    rows(client, "UPDATE account SET balance = -1 WHERE id = 1")
    wait_until_dead(proxy)
    eventually(lambda: borrowed(proxy) == 0)
    assert rows(database.connect(), "SELECT balance = -1 FROM account WHERE id = 1 FOR UPDATE") == ((0,),)


def test_the_idle_client_timeout_can_be_changed_under_way(database: Database, start: Start) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    proxy.change(IdleClientTimeout=1)
    wait_until_dead(proxy)
    assert outcome(client)[0] == 2013


def test_a_client_lives_no_longer_than_its_lifetime_however_busy(database: Database, start: Start) -> None:
    proxy = start(client_lifetime=1)
    client = database.connect(proxy.port)
    with pytest.raises(pymysql.OperationalError):
        _ = [rows(client, "SELECT SLEEP(0.05)") for _ in range(100)]
    assert proxy.metrics()["ClientConnectionsClosed"] == {"client lifetime": 1}


def test_refused_connects_are_refused_and_open_connections_go_on(database: Database, start: Start) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    proxy.fail(ProxyFault.REFUSED_CONNECTS)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((proxy.host, proxy.port))
    assert rows(client, "SELECT 1") == ((1,),)
    proxy.fail(ProxyFault.IDLE_CLOSE)
    assert rows(database.connect(proxy.port), "SELECT 1") == ((1,),)


def test_borrow_exhaustion_is_9501_until_it_is_over(database: Database, start: Start) -> None:
    proxy = start(connection_borrow_timeout=0.5)
    client = database.connect(proxy.port)
    proxy.fail(ProxyFault.BORROW_EXHAUSTION)
    assert outcome(client)[0] == 9501
    proxy.fail(ProxyFault.IDLE_CLOSE)
    assert rows(client, "SELECT 1") == ((1,),)


def test_a_pause_delays_and_loses_nothing(database: Database, start: Start) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    proxy.fail(ProxyFault.PAUSE)
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(rows(client, "SELECT 1"))),
        threading.Thread(target=lambda: answers.append(rows(database.connect(proxy.port), "SELECT 1"))),
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: proxy.metrics()["ClientConnectionsReceived"] == 2)
    time.sleep(0.2)
    assert answers == []
    proxy.fail(ProxyFault.IDLE_CLOSE)
    for thread in threads:
        thread.join()
    assert answers == [((1,),), ((1,),)]


def test_listeners_die_each_in_its_own_way(database: Database, start: Start) -> None:
    proxy = start(
        listeners={"fin": Port(), "rst": Port(failure=ProxyFault.IDLE_RESET)}, idle_client_timeout=IDLE_S
    )
    fin, rst = database.connect(proxy.ports["fin"]), database.connect(proxy.ports["rst"])
    assert what_comes(fin) == b""
    with pytest.raises(ConnectionResetError):
        what_comes(rst)
    assert {client["listener"]: client["ended_because"] for client in proxy.clients()} == {
        "fin": "idle",
        "rst": "idle",
    }


def test_every_failure_is_described_and_a_wrong_name_is_told_the_right_ones(start: Start) -> None:
    assert set(DESCRIPTIONS) == set(ProxyFault)
    proxy = start()
    with pytest.raises(ControlFailed, match="failure: unknown 'explode': there are idle_close, "):
        proxy.fail("explode")  # type: ignore[arg-type]
    with pytest.raises(ControlFailed, match="listener: unknown 'side': there are main"):
        proxy.fail(ProxyFault.PAUSE, listener="side")
