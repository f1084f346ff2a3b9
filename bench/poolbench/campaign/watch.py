"""A heartbeat beside a campaign, which notes when time jumped: the machine slept, or a clock was set."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from poolbench.function.clocks import Instant, now

BEAT_S = 0.25
TOLERANCE_S = 0.5  # that a beat may be late, or that two clocks may differ over it


@dataclass(frozen=True, slots=True)
class Jump:
    """A beat that did not take as long as it was to take: its time, and its length on each clock in seconds.

    A machine that stands still, or is overloaded, is late on all clocks, one that was suspended not on the
    monotonic clock, and a clock that was set differs from the others.
    """

    wall_ns: int  # when the beat began
    wall_s: float
    monotonic_s: float
    boottime_s: float


def jump_between(before: Instant, after: Instant) -> Jump | None:
    """What happened between two readings that were to be BEAT_S apart; None if nothing did."""
    wall_s = (after.wall_ns - before.wall_ns) / 1e9
    monotonic_s = (after.monotonic_ns - before.monotonic_ns) / 1e9
    boottime_s = (after.boottime_ns - before.boottime_ns) / 1e9
    if all(abs(took_s - BEAT_S) <= TOLERANCE_S for took_s in (wall_s, monotonic_s, boottime_s)):
        return None
    return Jump(before.wall_ns, wall_s, monotonic_s, boottime_s)


class Watch:
    """Context manager: beats from entry to exit, on a thread of its own."""

    def __init__(self, on_jump: Callable[[int, dict[str, Any]], None] = lambda _number, _jump: None) -> None:
        """Nothing beats yet; `on_jump` is told each jump's number and the jump, as JSON types."""
        self._on_jump = on_jump
        self._jumps: list[Jump] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> "Watch":
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End with the running beat."""
        self._stop.set()
        self._thread.join()

    def jumps(self) -> list[dict[str, Any]]:
        """Those that were seen so far, as JSON types."""
        return [asdict(jump) for jump in self._jumps]

    def _run(self) -> None:
        before = now()
        while not self._stop.wait(BEAT_S):
            after = now()
            if jump := jump_between(before, after):
                self._on_jump(len(self._jumps), asdict(jump))
                self._jumps.append(jump)
                after = now()  # what that took is no jump
            before = after
