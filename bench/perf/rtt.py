"""By how much a round-trip time that is to be added is missed, as a client of the database sees it."""

import contextlib
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pymysql.constants import COMMAND

from perf.figure import Figure
from poolbench.lab.mysql import running_server
from poolbench.lab.proxy import Backend
from poolbench.lab.proxy.database import Identity, open_connection
from poolbench.lab.proxy.launch import running_relay
from poolbench.lab.proxy.protocol import packet

RTTS_S = (0.0003, 0.0005, 0.001, 0.002, 0.005)
RELAYS = 5
BLOCKS = 10
BLOCK = 6
PAUSE_S = 0.001  # between any two measurements, as between a function's requests the CPUs sleep
_PING = packet(0, bytes([COMMAND.COM_PING]))


@dataclass(frozen=True, slots=True)
class Median:
    """A median of differences and its standard error; seconds."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Missed:
    """What is added beyond the time asked for.

    The errors are those between two ways of which both are direct: what the machine is good for just now.

    Attributes:
        exchange: a command and its answer, one round trip.
        greeting: from connecting to the server's greeting, two round trips.

    """

    exchange: Median
    greeting: Median


def rtt_error() -> Iterator[Figure]:
    """The worst deviation of an exchange or a greeting, each the median over several relays."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as lab:
        folder = Path(name)
        server = lab.enter_context(running_server(None, work_dir=folder)).server
        database = Backend(server.host, server.port, server.user, server.password)
        worst = 0.0
        for rtt_s in RTTS_S:
            found = [missed(database, rtt_s, folder) for _ in range(RELAYS)]
            exchange = statistics.median(each.exchange.value for each in found) / rtt_s
            greeting = statistics.median(each.greeting.value for each in found) / (2 * rtt_s)
            worst = max(worst, abs(exchange), abs(greeting))
    yield Figure("proxy_rtt_error", worst, "<= 0.05")


def missed(database: Backend, rtt_s: float, work_dir: Path) -> Missed:
    """Compare a database with the same database behind a relay that adds `rtt_s`.

    Raises:
        ChildFailed: the relay did not start.

    """
    with contextlib.ExitStack() as parts:
        relay = parts.enter_context(running_relay(database.host, database.port, rtt_s, work_dir=work_dir))
        behind = replace(database, host=relay.host, port=relay.port)
        near, too, far = (
            parts.enter_context(_logged_in(backend)) for backend in (database, database, behind)
        )
        return Missed(
            _compare(lambda: _exchange(near), lambda: _exchange(too), lambda: _exchange(far), rtt_s),
            _compare(
                lambda: _greeting(database),
                lambda: _greeting(database),
                lambda: _greeting(behind),
                2 * rtt_s,
            ),
        )


def _compare(
    near: Callable[[], None], too: Callable[[], None], far: Callable[[], None], expected_s: float
) -> Median:
    """Median of how much longer `far` takes than `near`, beyond what is expected.

    In blocks of the same kind, as a workload takes one path only: right after a direct exchange the CPUs are
    awake and the next one is 0.02 ms shorter than after a relayed one.
    """
    differences, noise = list[float](), list[float]()
    for _ in range(BLOCKS):
        direct, relayed, again = ([_timed(act) for _ in range(BLOCK)][1:] for act in (near, far, too))
        differences += (b - a - expected_s for a, b in zip(direct, relayed, strict=True))
        noise += (b - a for a, b in zip(direct, again, strict=True))
    low, _, high = statistics.quantiles(noise, n=4)
    sigma = (high - low) / 1.349  # of a normal distribution with these quartiles
    return Median(statistics.median(differences), 1.2533 * sigma / (BLOCKS * BLOCK) ** 0.5)


def _logged_in(backend: Backend) -> socket.socket:
    connection = open_connection(backend, Identity(backend.user, 0), backend.password).socket
    connection.setblocking(True)
    return connection


def _timed(act: Callable[[], None]) -> float:
    time.sleep(PAUSE_S)
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _exchange(connection: socket.socket) -> None:
    connection.sendall(_PING)
    assert connection.recv(4096)[4] == 0


def _greeting(backend: Backend) -> None:
    with socket.create_connection((backend.host, backend.port)) as connection:
        assert connection.recv(4096)[4] == 10
