"""What happened when, to draw the timeline of a failure from."""

import time
from collections import deque
from enum import StrEnum
from typing import Any

CAPACITY = 20_000  # older events are forgotten


class Kind(StrEnum):
    """What can happen."""

    ACCEPT = "accept"  # a client connected
    LOGIN = "login"  # and was let in
    BORROW = "borrow"  # a client got a database connection
    RELEASE = "release"  # and gave it back
    PIN = "pin"  # a client keeps its database connection from now on
    BORROW_TIMEOUT = "borrow_timeout"
    IDLE_CLOSE = "idle_close"  # the proxy ended a client connection for being idle
    CLOSE = "close"  # a client connection ended, whoever ended it
    OPEN_DATABASE = "open_database"  # a database connection was opened
    CLOSE_DATABASE = "close_database"  # and is gone
    FAILURE = "failure"  # a way to die was switched on or off


class EventLog:
    """The last events, numbered from 0 since the start."""

    def __init__(self) -> None:
        self._events: deque[tuple[float, Kind, int, int, str]] = deque(maxlen=CAPACITY)
        self._count = 0
        self._wall_offset_s = time.time() - time.monotonic()

    def add(self, now: float, kind: Kind, client: int = 0, database: int = 0, detail: str = "") -> None:
        """Note an event at `now`, of the monotonic clock; 0 stands for no connection."""
        self._count += 1
        self._events.append((now, kind, client, database, detail))

    def since(self, number: int) -> dict[str, Any]:
        """Events from `number` on, as far as they are still known, and the number to ask for next.

        Times are nanoseconds since the epoch. `client` is the id of a client connection, `database` the
        server's number of a database connection.
        """
        first = self._count - len(self._events)
        events = [
            {
                "wall_ns": int((when + self._wall_offset_s) * 1e9),
                "kind": kind,
                "client": client or None,
                "database": database or None,
                "detail": detail or None,
            }
            for at, (when, kind, client, database, detail) in enumerate(self._events, first)
            if at >= number
        ]
        return {"events": events, "next": self._count}
