"""Time as the runner sees it; a seam, so that a campaign of hours can be tested in milliseconds."""

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds to schedule by, wall nanoseconds to record."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch."""

    def sleep_until(self, moment: float) -> None:
        """Return once `monotonic()` has reached `moment`."""


class SystemClock:
    """The real one."""

    def monotonic(self) -> float:  # noqa: D102
        return time.monotonic()

    def wall_ns(self) -> int:  # noqa: D102
        return time.time_ns()

    def sleep_until(self, moment: float) -> None:  # noqa: D102
        while (left := moment - time.monotonic()) > 0:
            time.sleep(left)
