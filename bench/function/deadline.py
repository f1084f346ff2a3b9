"""A deadline on a request, so that silence becomes an outcome and not a dead environment."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
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

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Run the block with a deadline; `passed` tells afterwards. Main thread only (signals)."""
        self.passed = False
        signal.signal(signal.SIGALRM, self._expire)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _expire(self, _signal: int, _frame: FrameType | None) -> None:
        self.passed = True
        for descriptor in os.listdir("/dev/fd"):  # noqa: PTH208 (numbers, not paths)
            # OSError: not a socket, or not connected.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(descriptor))) as peer:
                if peer.family != socket.AF_UNIX and peer.getpeername()[1] == self._port:
                    peer.shutdown(socket.SHUT_RDWR)
