"""The relay adds the round-trip time that it is told to, to everything, and loses nothing."""

import contextlib
import hashlib
import json
import resource
import secrets
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perf.rtt import RTTS_S, missed
from poolbench.lab.platform import LOOPBACK
from poolbench.lab.proxy import Backend
from poolbench.lab.proxy.launch import RunningRelay, running_relay
from poolbench.lab.proxy.relay import LONGEST_S
from tests.lab.proxy.conftest import Database, Start, rows

pytestmark = pytest.mark.any_server
RTT_S = 0.01
ATTEMPTS = 12


@contextlib.contextmanager
def serving(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server on a port of its own that treats each connection so."""
    listener = socket.create_server((LOOPBACK, 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def in_round_trips(step: Callable[[], object], rtt_s: float, most: float) -> float:
    """How long a step takes; again where that is more than `most`, for a busy machine may be late."""
    for _ in range(ATTEMPTS):
        began = time.perf_counter()
        step()
        if (took := (time.perf_counter() - began) / rtt_s) < most:
            break
    return took


def greeted(relay: RunningRelay) -> Callable[[], None]:
    """Connect to a server that says hello, and hear it."""

    def connect() -> None:
        with socket.create_connection((relay.host, relay.port)) as client:
            assert client.recv(5) == b"hello"

    return connect


def echo(connection: socket.socket) -> None:
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def exchange(client: socket.socket) -> None:
    client.sendall(b"x")
    client.recv(1)


@pytest.mark.slow
@pytest.mark.parametrize("rtt_s", RTTS_S)
def test_the_added_time_is_the_one_asked_for(database: Database, tmp_path: Path, rtt_s: float) -> None:
    """To 5 %, and what direct exchanges differ by among themselves.

    A busy machine, and one whose scheduler moves client and server about, gets several attempts.
    """
    server = database.server
    backend = Backend(server.host, server.port, server.user, server.password)
    attempts, right = [], {"exchange": False, "greeting": False}
    while not all(right.values()):
        found = missed(backend, rtt_s, tmp_path)
        attempts.append(found)
        for name, expected_s in (("exchange", rtt_s), ("greeting", 2 * rtt_s)):
            median = getattr(found, name)
            right[name] |= abs(median.value) <= 0.05 * expected_s + min(0.1 * expected_s, 3 * median.error)
        assert len(attempts) < ATTEMPTS, attempts


LATE_RELAY = """
import json
from poolbench.lab.proxy.delay import Relay
from poolbench.lab.proxy.relay import calibrate

corrections = []

class Noting(Relay):
    def correct(self, greeting_s, exchange_s):
        corrections.append((greeting_s, exchange_s))
        super().correct(greeting_s, exchange_s)

relay = Noting(("127.0.0.1", 1), 0.002)
relay.lengthen(0.002)
corrections.clear()
calibrate(relay, 0.002)
print(json.dumps([sum(each) for each in zip(*corrections)]))
"""


def test_a_relay_that_is_late_by_as_much_again_is_corrected_by_as_much() -> None:
    attempts, right = [], {"greeting": False, "exchange": False}
    while not all(right.values()):
        done = subprocess.run([sys.executable, "-c", LATE_RELAY], capture_output=True, check=True)
        attempts.append(json.loads(done.stdout))
        greeting_s, exchange_s = attempts[-1]
        right["greeting"] |= 0.75 < greeting_s / 0.004 < 2
        right["exchange"] |= 0.9 < exchange_s / 0.002 < 1.5
        assert len(attempts) < ATTEMPTS, attempts


def test_a_server_that_speaks_first_is_heard_after_two_round_trips(tmp_path: Path) -> None:
    with (
        serving(lambda connection: connection.sendall(b"hello")) as port,
        running_relay(LOOPBACK, port, RTT_S, work_dir=tmp_path) as relay,
    ):
        assert 1.9 < in_round_trips(greeted(relay), RTT_S, most=4) < 4


def test_what_is_sent_at_once_arrives_together_and_not_one_after_the_other(tmp_path: Path) -> None:
    with (
        serving(echo) as port,
        running_relay(LOOPBACK, port, RTT_S, work_dir=tmp_path) as relay,
        socket.create_connection((relay.host, relay.port)) as client,
    ):
        exchange(client)

        def twenty() -> None:
            for _ in range(20):
                client.sendall(b"x")
                time.sleep(RTT_S / 100)
            received = 0
            while received < 20:
                received += len(client.recv(20))

        assert in_round_trips(twenty, RTT_S, most=10) < 10  # and not 20


def test_megabytes_in_both_directions_come_through_unchanged(tmp_path: Path) -> None:
    sent = secrets.token_bytes(24 << 20)
    received = hashlib.sha256()
    with (
        serving(echo) as port,
        running_relay(LOOPBACK, port, 0.001, work_dir=tmp_path) as relay,
        socket.create_connection((relay.host, relay.port)) as client,
    ):
        sender = threading.Thread(target=client.sendall, args=(sent,))
        sender.start()
        left = len(sent)
        while left:
            data = client.recv(1 << 16)
            left -= len(data)
            received.update(data)
        sender.join()
    assert received.digest() == hashlib.sha256(sent).digest()


def test_the_end_comes_through_after_the_data(tmp_path: Path) -> None:
    with (
        serving(lambda connection: connection.sendall(connection.recv(10) * 1000)) as port,
        running_relay(LOOPBACK, port, RTT_S, work_dir=tmp_path) as relay,
        socket.create_connection((relay.host, relay.port)) as client,
    ):
        client.sendall(b"0123456789")
        client.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received == b"0123456789" * 1000


def reset(connection: socket.socket) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_reset_comes_through_as_a_reset(tmp_path: Path) -> None:
    with (
        serving(reset) as port,
        running_relay(LOOPBACK, port, RTT_S, work_dir=tmp_path) as relay,
        socket.create_connection((relay.host, relay.port)) as client,
    ):
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.mark.parametrize("sent", [1, 40 << 20], ids=["idle", "in the middle"])
def test_both_sides_may_reset_and_the_relay_goes_on(tmp_path: Path, sent: int) -> None:
    with serving(reset) as port, running_relay(LOOPBACK, port, 0.1, work_dir=tmp_path) as relay:
        for _ in range(3):
            with socket.create_connection((relay.host, relay.port), timeout=20) as client:
                with contextlib.suppress(ConnectionError):
                    client.sendall(bytes(sent))
                time.sleep(0.08)  # the server's reset is on its way
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert relay.child.exit_code() is None


def test_a_target_that_refuses_is_a_reset_to_the_client_and_the_relay_goes_on(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind((LOOPBACK, 0))
        with running_relay(LOOPBACK, nobody.getsockname()[1], RTT_S, work_dir=tmp_path) as relay:
            for _ in range(2):
                with (
                    socket.create_connection((relay.host, relay.port)) as client,
                    pytest.raises(ConnectionResetError),
                ):
                    client.recv(1)


def test_more_clients_than_the_usual_limit_of_open_files_are_relayed(tmp_path: Path) -> None:
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as parts:
        server = parts.enter_context(socket.create_server((LOOPBACK, 0), backlog=100))
        server.settimeout(10)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
        try:
            relay = parts.enter_context(
                running_relay(LOOPBACK, server.getsockname()[1], 0.001, work_dir=tmp_path)
            )
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (usual, most))
        for _ in range(100):
            client = parts.enter_context(socket.create_connection((relay.host, relay.port), timeout=10))
            served = parts.enter_context(server.accept()[0])
            served.sendall(b"x")
            assert client.recv(1) == b"x"


def test_the_longest_time_is_as_soon_ready(tmp_path: Path) -> None:
    with (
        serving(lambda connection: connection.sendall(b"hello")) as port,
        running_relay(LOOPBACK, port, LONGEST_S, work_dir=tmp_path) as relay,
    ):
        assert 1.9 < in_round_trips(greeted(relay), LONGEST_S, most=2.5) < 2.5


@pytest.mark.parametrize("rtt_s", [0, 0.0001, 2, -1])
def test_a_time_out_of_range_is_refused_with_the_range(tmp_path: Path, rtt_s: float) -> None:
    with (
        pytest.raises(ValueError, match=r"out of range, 0\.0002 to 1\.0 s"),
        running_relay(LOOPBACK, 1, rtt_s, work_dir=tmp_path),
    ):
        pass


def test_a_proxy_with_a_round_trip_time_is_that_much_farther_away(database: Database, start: Start) -> None:
    near, far = (database.connect(proxy.port) for proxy in (start(), start(rtt_s=RTT_S)))

    def shortest(client: Any) -> float:
        times = []
        for _ in range(50):
            began = time.perf_counter()
            rows(client, "SELECT 1")
            times.append(time.perf_counter() - began)
        return min(times)

    assert 0.8 < (shortest(far) - shortest(near)) / RTT_S < 1.5
