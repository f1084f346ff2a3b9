"""Stops and resumes an execution environment, as Lambda does between invocations."""

import contextlib
import os
import signal
from typing import Protocol


class Freezer(Protocol):
    """A way to freeze a process group."""

    name: str  # as recorded with results

    def freeze(self, group: int) -> None:
        """Stop every process of the group; no error if it is gone."""

    def thaw(self, group: int) -> None:
        """Let them go on; no error if it is gone."""


class SignalFreezer:
    """SIGSTOP and SIGCONT. The kernel stays awake: it acknowledges what peers send meanwhile.

    A frozen microVM does not even do that, so a check that only looks at the local socket sees more here
    than it would see on Lambda; a check that makes a round trip sees the same.
    """

    name = "SIGSTOP"

    def freeze(self, group: int) -> None:  # noqa: D102
        _signal(group, signal.SIGSTOP)

    def thaw(self, group: int) -> None:  # noqa: D102
        _signal(group, signal.SIGCONT)


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has died; whoever watches it will notice
        os.killpg(group, number)
