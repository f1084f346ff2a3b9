"""A deadline on a request, so that silence becomes an outcome and not a dead environment."""

import contextlib
import os
import signal
import socket
import stat
import threading
import time


class Deadline:
    """Cuts off every socket towards the database's port when time is up.

    Shutting the socket down wakes a driver that waits for an answer, which then fails as it does on any lost
    connection; an exception thrown from a signal handler could leave driver and pool in any state. A thread
    does it: a driver written in C keeps the main thread, and with it Python's signal handlers, until it
    returns from `recv`.
    """

    def __init__(self, port: int | None) -> None:
        """Watch connections to `port`, the database's or its proxy's; None: there are none to cut."""
        self._port = port
        self._runs = False
        self._lock = threading.Lock()
        self.passed = False

    def start(self, seconds: float) -> None:
        """Let time run; main thread only, as signals are. `passed` tells at the end."""
        global _running  # noqa: PLW0603 (there is one timer in a process)
        _running = self
        self.passed, self._runs = False, True
        _ring_a_thread()
        # A timer of the kernel's, because to wake a thread for each request costs more than a COM_PING does.
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def stop(self) -> None:
        """Time no longer matters."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        with self._lock:  # a bell that is late must not cut off the next request
            self._runs = False

    def expire(self) -> None:
        """Cut off, unless it was stopped just before."""
        with self._lock:
            if not self._runs:
                return
            self.passed = True
            for descriptor in os.listdir("/dev/fd"):  # noqa: PTH208 (numbers, not paths)
                with contextlib.suppress(OSError):  # not connected, or closed meanwhile
                    self._cut(int(descriptor))

    def _cut(self, descriptor: int) -> None:
        # Asked first: a copy of anything but a socket would be left over, and copied again the next time.
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return
        with socket.socket(fileno=os.dup(descriptor)) as peer:
            if peer.family != socket.AF_UNIX and peer.getpeername()[1] == self._port:
                peer.shutdown(socket.SHUT_RDWR)


class Patience:
    """The deadline of one thread among several: it tells that time is up, but cuts nothing off.

    Which of the process's sockets is whose nobody can say. A request that is never answered ends with its
    environment, at the function's timeout.
    """

    def __init__(self) -> None:
        self._due = 0.0
        self.passed = False

    def start(self, seconds: float) -> None:
        """Let time run."""
        self.passed, self._due = False, time.monotonic() + seconds

    def stop(self) -> None:
        """Time no longer matters."""
        self.passed = time.monotonic() > self._due


_running: Deadline | None = None
_bell: int | None = None  # to which a signal is written as it comes, whatever the main thread does then


def _ring_a_thread() -> None:
    """Have SIGALRM wake a thread; once."""
    global _bell
    if _bell is not None:
        return
    heard, _bell = os.pipe()
    os.set_blocking(_bell, False)
    signal.set_wakeup_fd(_bell, warn_on_full_buffer=False)
    signal.signal(signal.SIGALRM, lambda *_: None)  # which would end the process otherwise
    threading.Thread(target=_listen, args=(heard,), name="deadline", daemon=True).start()


def _listen(heard: int) -> None:
    while numbers := os.read(heard, 64):
        if signal.SIGALRM in numbers and _running:
            _running.expire()
