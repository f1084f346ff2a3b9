"""Kills the process groups of a service that has died; a process that does nothing else.

The parent-death signal ends a runtime, but not the children of its handler: fork clears it (prctl(2)). Frozen
children would stay forever. The watchdog reads a pipe from the service, which tells it the groups that live,
and kills them when the pipe ends.
"""

import contextlib
import os
import signal
import subprocess
import sys
from typing import TextIO


class Watchdog:
    """The service's side."""

    def __init__(self) -> None:
        """Start it, in a session of its own: what kills the service's group must not end it too."""
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", __file__], stdin=subprocess.PIPE, start_new_session=True
        )

    def guard(self, group: int) -> None:
        """Remember a group."""
        self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        """Forget one that has gone: its number may come again."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End it; groups that were not released are killed."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it was killed; the parent-death signal remains
            os.write(self._process.stdin.fileno(), line.encode())


def watch(lines: TextIO) -> None:
    """Follow the service until it ends, however that happens."""
    groups: set[int] = set()
    for line in lines:
        sign, group = line[0], int(line[1:])
        (groups.add if sign == "+" else groups.discard)(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watch(sys.stdin)
