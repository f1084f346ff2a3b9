"""The three clocks of a row. Across a freeze they may disagree, and that is itself a result."""

import time
from dataclasses import dataclass

# Linux only; where it is missing (macOS), monotonic is the nearest thing that exists.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime_ns() -> int:
    """Nanoseconds since boot, suspended time included: what idle times are measured on."""
    return time.clock_gettime_ns(_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on the wall clock, the monotonic clock and the boottime clock, in nanoseconds."""

    wall_ns: int
    monotonic_ns: int
    boottime_ns: int


def now() -> Instant:
    """Read all three, back to back."""
    return Instant(time.time_ns(), time.monotonic_ns(), boottime_ns())
