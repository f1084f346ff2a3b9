"""Adds round-trip time to a path: `python -m poolbench.lab.proxy.relay HOST PORT SECONDS` relays later.

The relay (see `delay`) is calibrated when it starts, so that only the time asked for is added. A client and a
server, processes that do nothing else, exchange bytes directly and through the relay in turn, each time after
an equal pause, so that the CPUs sleep equally deep. The excess is what the relayed exchange takes longer than
the direct one and the round-trip time together. Most of it is not the relay's work but waking up: of the
relay, and of a client that waits for longer than it does without a relay, and whose CPU goes to sleep
meanwhile. It differs from machine to machine.

It depends on what came before, too: right after a direct exchange the CPUs are awake, right after connecting
they have more to acknowledge (0.02 ms where this was written). So exchanges are measured on connections that
have been open for a while, in blocks of the same kind, as workloads make them.
"""

import argparse
import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import statistics
import struct
import sys
import time
import traceback
from collections.abc import Callable

from poolbench.lab.platform import LOOPBACK, parent_death_hook, raise_file_limit, run_before_others
from poolbench.lab.proxy.delay import Address, Relay

SHORTEST_S, LONGEST_S = 0.0002, 1.0  # of the round-trip time that can be added
CALIBRATED_S = 0.005  # longer times are calibrated as this one: the correction does not grow further
ROUNDS = 2  # the second corrects the remainder, because a shorter wait changes the time to wake up
KIND_S = 0.16  # for greetings, and for exchanges, in each round
BLOCK = 6  # the first of each is not counted
QUICK_ACKS = 20  # Linux acknowledges the first segments of a connection at once, later ones with the answer
PAUSE_S = 0.0005
GREETING_S = (
    0.0001  # about what servers take before they greet, during which the client's CPU falls asleep or not
)
_RESULT = struct.Struct("dd")


def calibrate(relay: Relay, rtt_s: float) -> None:
    """Correct a relay that is to add `rtt_s`; meanwhile its target is replaced.

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
    with socket.create_connection(direct) as near, socket.create_connection(relayed) as far:
        for connection in (near, far):
            connection.recv(1)
            for _ in range(QUICK_ACKS):
                _exchange(connection)
        while True:
            greeting_s = _excess(lambda: _greeting(direct), lambda: _greeting(relayed), 2 * rtt_s)
            exchange_s = _excess(lambda: _exchange(near), lambda: _exchange(far), rtt_s)
            results.send(_RESULT.pack(greeting_s, exchange_s))
            results.recv(1)


def _excess(near: Callable[[], float], far: Callable[[], float], expected_s: float) -> float:
    """Median of how much longer `far` takes than `near`, beyond what is expected."""
    found = list[float]()
    began = time.perf_counter()
    while not found or time.perf_counter() < began + KIND_S:
        direct, delayed = ([act() for _ in range(BLOCK)][1:] for act in (near, far))
        found += (b - a - expected_s for a, b in zip(direct, delayed, strict=True))
    return statistics.median(found)


def _greeting(address: Address) -> float:
    """How long a new connection takes to be greeted."""
    time.sleep(PAUSE_S)
    began = time.perf_counter()
    with socket.create_connection(address) as connection:
        connection.recv(1)
        return time.perf_counter() - began


def _exchange(connection: socket.socket) -> float:
    """How long a byte takes there and back."""
    time.sleep(PAUSE_S)
    began = time.perf_counter()
    connection.send(b"\x00")
    connection.recv(1)
    return time.perf_counter() - began


def check_range(rtt_s: float) -> None:
    """Raise ValueError if a relay cannot add this round-trip time."""
    if not SHORTEST_S <= rtt_s <= LONGEST_S:
        raise ValueError(f"round-trip time: {rtt_s} is out of range, {SHORTEST_S} to {LONGEST_S} s")


def main() -> None:
    """Relay until killed; the first line printed is JSON with port and pid."""
    parser = argparse.ArgumentParser(
        prog="python -m poolbench.lab.proxy.relay",
        description="Relays from a free port of loopback to HOST and PORT, and adds a round-trip time.",
        epilog="When it is ready it prints one line of JSON, with its port and pid.",
    )
    parser.add_argument("host", metavar="HOST")
    parser.add_argument("port", metavar="PORT", type=int)
    parser.add_argument("rtt_s", metavar="SECONDS", type=float, help=f"{SHORTEST_S} to {LONGEST_S}")
    arguments = parser.parse_args()
    try:
        check_range(arguments.rtt_s)
    except ValueError as error:
        parser.error(str(error))
    raise_file_limit()
    run_before_others()  # a real network never waits for CPU
    calibrated_s = min(arguments.rtt_s, CALIBRATED_S)
    relay = Relay((arguments.host, arguments.port), calibrated_s)
    gc.collect()
    gc.freeze()
    calibrate(relay, calibrated_s)
    relay.lengthen(arguments.rtt_s - calibrated_s)
    sys.stdout.write(json.dumps({"port": relay.address[1], "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    relay.run_until(lambda: False)


if __name__ == "__main__":
    main()
