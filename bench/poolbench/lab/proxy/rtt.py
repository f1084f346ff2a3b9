"""A round-trip time added to a path, by a relay that is a process of its own."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from poolbench.lab.ports import LOOPBACK
from poolbench.lab.process import Child

SHORTEST_S, LONGEST_S = 0.0002, 1.0


@dataclass(frozen=True, slots=True)
class RunningRelay:
    """A relay that accepts clients on loopback."""

    host: str
    port: int
    child: Child


@contextlib.contextmanager
def running_relay(host: str, port: int, rtt_s: float, *, work_dir: Path) -> Iterator[RunningRelay]:
    """Run a relay to `host` and `port` that adds a round-trip time; its log lies in `work_dir`.

    Raises:
        ValueError: the time is out of range.
        ChildFailed: it did not start.

    """
    check_range(rtt_s)
    command = [sys.executable, "-m", "poolbench.lab.proxy.relay", host, str(port), str(rtt_s)]
    child = Child(command, log=work_dir / f"rtt-{port}.log", announces=True)
    try:
        yield RunningRelay(LOOPBACK, child.announcement["port"], child)
    finally:
        child.stop()


def check_range(rtt_s: float) -> None:
    """Raise ValueError if it is out of range."""
    if not SHORTEST_S <= rtt_s <= LONGEST_S:
        raise ValueError(f"round-trip time: {rtt_s} is out of range, {SHORTEST_S} to {LONGEST_S} s")
