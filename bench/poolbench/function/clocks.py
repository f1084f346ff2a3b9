"""The three clocks of a row. Across a freeze they may disagree, and that is itself a result."""

import time

from poolbench.model.row import Instant

# Linux only; where it is missing (macOS), monotonic is the nearest thing that exists.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime_ns() -> int:
    """Nanoseconds since boot, suspended time included: what idle times are measured on."""
    return time.clock_gettime_ns(_BOOTTIME)


def now() -> Instant:
    """Read all three, back to back."""
    return Instant(time.time_ns(), time.monotonic_ns(), boottime_ns())
