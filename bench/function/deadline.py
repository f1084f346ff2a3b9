"""A deadline on a request, so that silence becomes an outcome and not a dead environment."""

import contextlib
import os
import signal
import socket
from types import FrameType


class Deadline:
    """Cuts off every socket towards the database's port when time is up.

    Shutting the socket down wakes a driver that waits in `recv`, which then fails as it does on any lost
    connection; an exception thrown from the signal handler could leave driver and pool in any state.
    """

    def __init__(self, port: int | None) -> None:
        """Watch connections to `port`, the database's or its proxy's; None: there are none to cut."""
        self._port = port
        self.passed = False

    def start(self, seconds: float) -> None:
        """Let time run; main thread only, as signals are. `passed` tells at the end."""
        self.passed = False
        # Compared first: changing a handler takes as long as a fifth of a COM_PING.
        if _armed is not self:
            _arm(self)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def stop(self) -> None:
        """Time no longer matters."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def expire(self, _signal: int, _frame: FrameType | None) -> None:
        """Cut off; the signal's handler."""
        self.passed = True
        for descriptor in os.listdir("/dev/fd"):  # noqa: PTH208 (numbers, not paths)
            # OSError: not a socket, or not connected.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(descriptor))) as peer:
                if peer.family != socket.AF_UNIX and peer.getpeername()[1] == self._port:
                    peer.shutdown(socket.SHUT_RDWR)


_armed: Deadline | None = None  # whose handler the signal has


def _arm(deadline: Deadline) -> None:
    global _armed  # noqa: PLW0603 (signal handlers are global, and so is this)
    signal.signal(signal.SIGALRM, deadline.expire)
    _armed = deadline
