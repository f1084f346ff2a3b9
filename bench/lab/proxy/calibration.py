"""What a relay takes of its own accord, measured when it starts, so that only the time asked for is added.

A client and a server, processes that do nothing else, exchange bytes directly and through the relay in turn,
each time after an equal pause, so that the CPUs sleep equally deep. By how much the relayed exchange is
longer than the direct one and the round-trip time together is the excess. Most of it is not the relay's work
but waking up: of the relay, and of a client that waits for longer than it does without a relay, and whose CPU
goes to sleep meanwhile. It differs from machine to machine.

Other processes mostly add to it, so that of several short looks at it the lower quartile counts. It also
depends on where the scheduler puts client and server: while they share a CPU, a direct exchange wakes nobody
up and the excess is greater (by 0.06 ms where this was written). The smaller one, of processes that have a
CPU each, is what is corrected.
"""

import contextlib
import os
import selectors
import signal
import socket
import statistics
import struct
import time
import traceback
from collections.abc import Callable
from typing import Protocol

from bench.lab.platform import parent_death_hook
from bench.lab.ports import LOOPBACK

ROUNDS = 2  # the second sees what the first has left, as waiting for a shorter time changes the waking up
WINDOWS = 8
WINDOW_S = 0.03
EXCHANGES = 4  # per connection
PAUSE_S = 0.0005
GREETING_S = (
    0.0001  # about what servers take before they greet, during which the client's CPU falls asleep or not
)
_RESULT = struct.Struct("dd")

Address = tuple[str, int]


class Correctable(Protocol):
    """A relay that can be told what it takes too long for."""

    target: Address

    @property
    def address(self) -> Address:
        """Where its clients connect."""

    def correct(self, greeting_s: float, exchange_s: float) -> None:
        """Be so much faster with the greeting of a new connection, and with an exchange on an open one."""

    def watch(self, sock: socket.socket, events: int, ready: Callable[[int], object]) -> None:
        """Call `ready` when one of the events comes."""

    def run_until(self, done: Callable[[], bool]) -> None:
        """Relay until it is true."""


def calibrate(relay: Correctable, rtt_s: float) -> None:
    """Correct a relay that is to add `rtt_s`; its target is another one meanwhile.

    Raises:
        ChildProcessError: a process that this needs has ended.

    """
    target = relay.target
    with socket.create_server((LOOPBACK, 0)) as listener, contextlib.ExitStack() as children:
        relay.target = listener.getsockname()
        children.callback(_end, _fork(lambda: _echo(listener)))
        ours, theirs = map(children.enter_context, socket.socketpair())
        children.callback(_end, _fork(lambda: _measure(theirs, relay.address, relay.target, rtt_s)))
        theirs.close()  # so that its end is seen
        rounds = 0

        def take(_: int) -> None:
            nonlocal rounds
            result = ours.recv(_RESULT.size)
            if not result:
                raise ChildProcessError("the calibration's client has ended")
            relay.correct(*_RESULT.unpack(result))
            rounds += 1
            if rounds < ROUNDS:
                ours.send(b"\x00")

        relay.watch(ours, selectors.EVENT_READ, take)
        relay.run_until(lambda: rounds == ROUNDS)
        relay.watch(ours, 0, take)
    relay.target = target


def _fork(work: Callable[[], None]) -> int:
    die_with_parent = parent_death_hook()
    pid = os.fork()
    if pid:
        return pid
    try:
        if die_with_parent:
            die_with_parent()
        work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _echo(listener: socket.socket) -> None:
    """Greet each connection with a byte, and send back what comes."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    selector.register(connection, selectors.EVENT_READ)
                    time.sleep(GREETING_S)
                    connection.send(b"\x00")
                    continue
                connection = key.fileobj  # type: ignore[assignment]
                if data := connection.recv(1):
                    connection.send(data)
                else:
                    selector.unregister(connection)
                    connection.close()


def _measure(results: socket.socket, relayed: Address, direct: Address, rtt_s: float) -> None:
    """Send the excess of the greeting and of an exchange after each round, and go on when answered."""
    while True:
        windows = [_window(relayed, direct, rtt_s) for _ in range(WINDOWS)]
        results.send(_RESULT.pack(*(sorted(found)[WINDOWS // 4] for found in zip(*windows, strict=True))))
        results.recv(1)


def _window(relayed: Address, direct: Address, rtt_s: float) -> tuple[float, float]:
    """Median excess of greetings and of exchanges."""
    greetings, exchanges = list[float](), list[float]()
    began = time.perf_counter()
    while not greetings or time.perf_counter() < began + WINDOW_S:
        near, far = _connection(direct), _connection(relayed)
        greetings.append(far[0] - near[0] - 2 * rtt_s)
        exchanges += (b - a - rtt_s for a, b in zip(near[1:], far[1:], strict=True))
    return statistics.median(greetings), statistics.median(exchanges)


def _connection(address: Address) -> list[float]:
    """How long the greeting of a new connection takes, and each exchange on it."""
    time.sleep(PAUSE_S)
    began = time.perf_counter()
    with socket.create_connection(address) as connection:
        connection.recv(1)
        times = [time.perf_counter() - began]
        for _ in range(EXCHANGES):
            time.sleep(PAUSE_S)
            began = time.perf_counter()
            connection.send(b"\x00")
            connection.recv(1)
            times.append(time.perf_counter() - began)
        return times
