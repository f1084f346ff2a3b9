"""Whatever one client sends or does not take, the others are served."""

import asyncio
import secrets
import socket
import time
from collections.abc import Iterator

import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymysql.constants import COMMAND

from poolbench.lab.platform import LOOPBACK
from poolbench.lab.proxy import Backend, ProxySettings, RunningProxy, login
from poolbench.lab.proxy.config import MAIN, ProxyConfig
from poolbench.lab.proxy.database import Facts
from poolbench.lab.proxy.monitoring import ConnectionEvent
from poolbench.lab.proxy.protocol import packet
from poolbench.lab.proxy.server import Proxy
from tests.lab.proxy.conftest import Database, Start, borrowed, eventually, rows, value

MB = 1 << 20


@pytest.fixture
def raw(proxy: RunningProxy) -> Iterator[socket.socket]:
    with socket.create_connection((proxy.host, proxy.port), timeout=5) as connection:
        yield connection


def ends(connection: socket.socket) -> bool:
    """Whether the proxy ends the connection."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


NONSENSE = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\xff" * 4,
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\x01" + b"\x00" * 1000,
    packet(1, b"\x00" * 32),
    packet(1, secrets.token_bytes(300)),
    packet(1, (0x800).to_bytes(4, "little") + bytes(28)) + b"this is not TLS",
]


@pytest.mark.any_server
@pytest.mark.parametrize("nonsense", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_in_the_login_ends_that_client_alone(
    database: Database, proxy: RunningProxy, raw: socket.socket, nonsense: bytes
) -> None:
    other = database.connect(proxy.port)
    raw.sendall(nonsense)
    raw.shutdown(socket.SHUT_WR)
    assert ends(raw)
    assert rows(other, "SELECT 1") == ((1,),)


@pytest.mark.parametrize(
    "nonsense", [b"\x00\x00\x00\x00", b"\x01\x00\x00\x07\x0e"], ids=["empty", "sequence"]
)
def test_a_malformed_command_ends_that_client_alone(
    database: Database, proxy: RunningProxy, nonsense: bytes
) -> None:
    client, other = database.connect(proxy.port), database.connect(proxy.port)
    client._sock.sendall(nonsense)
    assert ends(client._sock)
    assert rows(other, "SELECT 1") == ((1,),)


# Any command with any argument, cut off or with a wrong header; KILL aside, which may hit somebody.
COMMANDS = st.builds(
    lambda command, argument, sequence, missing: packet(sequence, bytes([command]) + argument)[
        : -missing or None
    ],
    st.integers(0, 255).filter(lambda command: command != COMMAND.COM_PROCESS_KILL),
    st.binary(max_size=60),
    st.sampled_from([0, 0, 0, 0, 1, 255]),
    st.sampled_from([0, 0, 0, 0, 1, 5]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(COMMANDS, min_size=1, max_size=8), st.binary(max_size=30))
def test_noise_after_the_login_harms_nobody_else(
    database: Database, proxy: RunningProxy, commands: list[bytes], rest: bytes
) -> None:
    client, other = database.connect(proxy.port), database.connect(proxy.port)
    client._sock.sendall(b"".join(commands) + rest)
    client._sock.shutdown(socket.SHUT_WR)
    assert ends(client._sock)
    client._force_close()
    assert rows(other, "SELECT 1") == ((1,),)
    other.close()
    eventually(lambda: borrowed(proxy) == 0)


@pytest.mark.parametrize("command", [0x05, 0x08, 0x12, 0x15, 0x1E, 0x55, 0xFA])
def test_commands_that_are_not_passed_on_are_unknown_and_the_client_goes_on(
    database: Database, proxy: RunningProxy, command: int
) -> None:
    client = database.connect(proxy.port)
    client._execute_command(command, b"x" * 20_000)
    with pytest.raises(pymysql.MySQLError) as error:
        client._read_packet()
    assert error.value.args == (1047, "Unknown command")
    assert rows(client, "SELECT 1") == ((1,),)


def test_bytes_one_by_one_are_a_command_all_the_same(database: Database, proxy: RunningProxy) -> None:
    client = database.connect(proxy.port)
    for byte in packet(0, b"\x03SELECT 42"):
        client._sock.sendall(bytes([byte]))
        time.sleep(0.001)
    client._next_seq_id = 1
    client._read_query_result()
    assert client._result.rows == ((42,),)


def test_half_a_command_holds_no_database_connection(database: Database, proxy: RunningProxy) -> None:
    client = database.connect(proxy.port)
    client._sock.sendall(packet(0, b"\x03SELECT 42")[:-2])
    rows(database.connect(proxy.port), "SELECT 1")  # answered after the proxy has read the other's bytes
    assert borrowed(proxy) == 0


def test_commands_sent_at_once_are_answered_in_order(database: Database, proxy: RunningProxy) -> None:
    client = database.connect(proxy.port)
    client._sock.sendall(b"".join(packet(0, f"\x03SELECT {number}".encode()) for number in range(50)))
    for number in range(50):
        client._next_seq_id = 1
        client._read_query_result()
        assert client._result.rows == ((number,),)


@pytest.mark.parametrize(
    ("allowed", "size"),
    [(MB, MB + 1000), (MB, 40 * MB), (16 * MB, 17 * MB)],
    ids=["bit", "lot", "second packet"],
)
def test_a_statement_that_is_too_long_for_the_server_harms_nobody_else(
    database: Database, start: Start, allowed: int, size: int
) -> None:
    """The server answers and then hangs up: its connection must not be lent in between."""
    before = int(value(database.connect(), "SELECT @@max_allowed_packet"))
    database.server.execute(f"SET GLOBAL max_allowed_packet = {allowed}")
    try:
        proxy = start()
        other = database.connect(proxy.port)
        for _ in range(5):
            client = database.connect(proxy.port)
            with pytest.raises(pymysql.MySQLError) as error:
                rows(client, f"SELECT LENGTH('{'x' * size}')")
            assert error.value.args[0] in {1153, 2006, 2013}
            assert rows(other, "SELECT 1") == ((1,),)
    finally:
        database.server.execute(f"SET GLOBAL max_allowed_packet = {before}")


def test_a_killed_statement_whose_connection_dies_with_it_harms_nobody_else(
    database: Database, proxy: RunningProxy
) -> None:
    other = database.connect(proxy.port)
    for _ in range(5):
        client = database.connect(proxy.port)
        client._execute_command(3, "SELECT SLEEP(20) FROM item")
        eventually(lambda: borrowed(proxy) == 1)
        number = proxy.events(client=client.thread_id())["events"][-1]["database"]
        database.server.execute(f"KILL {number}")
        with pytest.raises(pymysql.MySQLError):
            client._read_query_result()
        assert rows(other, "SELECT 1") == ((1,),)


@pytest.mark.parametrize("says", [b"", b"\x20\x00\x00\x01", b"\x01"], ids=["nothing", "a header", "a byte"])
def test_a_client_that_does_not_go_on_is_shown_out_after_the_login_timeout(
    monkeypatch: pytest.MonkeyPatch, says: bytes
) -> None:
    monkeypatch.setattr(login, "LOGIN_TIMEOUT_S", 0.1)
    config = ProxyConfig(backend=Backend("", 0, "", ""), accounts={}, settings=ProxySettings())
    facts = Facts("8.4.0", max_connections=10, autocommit=True, charset=45, collations={})

    async def why_ended() -> list[str | None]:
        proxy = Proxy(config, facts)
        await proxy.open()
        reader, writer = await asyncio.open_connection(LOOPBACK, proxy.listeners[MAIN].port)
        writer.write(says)
        await reader.read()  # to the end
        writer.close()
        while proxy.context.clients:
            await asyncio.sleep(0.01)
        proxy.listeners[MAIN].refuse()
        return [ConnectionEvent._make(event).detail for event in proxy.context.events.select().events]

    assert asyncio.run(asyncio.wait_for(why_ended(), 60))[-1] == "no login: timeout"


def test_load_data_local_is_refused_by_the_server_and_asks_for_no_file(
    database: Database, proxy: RunningProxy
) -> None:
    client = database.connect(proxy.port, local_infile=True)
    with pytest.raises(pymysql.MySQLError) as error:
        rows(client, "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE item")
    assert error.value.args[0] in {1148, 3948, 4166, 2068}
    assert rows(client, "SELECT 1") == ((1,),)


def test_the_end_of_the_proxy_is_the_end_of_its_connections(database: Database, start: Start) -> None:
    proxy = start()
    client = database.connect(proxy.port)
    proxy.stop()
    with pytest.raises(pymysql.OperationalError):
        rows(client, "SELECT 1")
