"""When a connection is not read for now, and why."""

import asyncio
from enum import Flag, auto


class Hold(Flag):
    """Reasons, any number of which may hold at once."""

    BORROWING = auto()  # a long command waits for a database connection
    FULL = auto()  # enough commands have come for the time being
    PEER_SLOW = auto()  # the other side does not take what it is sent
    PAUSED = auto()  # the failure of that name


class Valve:
    """Reads from a transport unless there is a reason not to."""

    __slots__ = ("_reasons", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._reasons = Hold(0)

    def hold(self, why: Hold, *, on: bool) -> None:
        """Add a reason, or take it away."""
        before = self._reasons
        self._reasons = before | why if on else before & ~why
        if self._reasons and not before:
            self._transport.pause_reading()
        elif before and not self._reasons:
            self._transport.resume_reading()

    def open(self) -> None:
        """Take all reasons away."""
        if self._reasons:
            self._reasons = Hold(0)
            self._transport.resume_reading()
