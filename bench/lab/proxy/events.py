"""What happened when, to draw the timeline of a failure from."""

import heapq
import itertools
import time
from collections import deque
from enum import StrEnum
from typing import Any, NamedTuple

CAPACITY = 10_000  # of each of the two parts below; older events are forgotten


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


_OF_EVERY_STATEMENT = frozenset({Kind.BORROW, Kind.RELEASE})


class Event(NamedTuple):
    """One event.

    Attributes:
        number: counted from 0 since the start.
        wall_ns: nanoseconds since the epoch.
        kind: what happened.
        client: id of the client connection, with which the client was greeted (PyMySQL's `thread_id()`); None
            where none takes part.
        database: the server's number of the database connection; None where none takes part.
        detail: in words, such as why a session was pinned or a connection ended; None where there is none.

    """

    number: int
    wall_ns: int
    kind: Kind
    client: int | None
    database: int | None
    detail: str | None


class EventLog:
    """The last events.

    What happens with every statement is kept apart from the rest, so that a second of load does not push out
    when a connection was accepted or why it died.
    """

    def __init__(self) -> None:
        # Fields of events: for every statement two of them are made, and bare tuples ten times as fast.
        self._often: deque[tuple[Any, ...]] = deque(maxlen=CAPACITY)
        self._seldom: deque[tuple[Any, ...]] = deque(maxlen=CAPACITY)
        self._count = 0

    def add(
        self, kind: Kind, client: int | None = None, database: int | None = None, detail: str | None = None
    ) -> None:
        """Note an event of now."""
        part = self._often if kind in _OF_EVERY_STATEMENT else self._seldom
        part.append((self._count, time.time_ns(), kind, client, database, detail))
        self._count += 1

    def select(
        self,
        *,
        since: int = 0,
        from_ns: int = 0,
        to_ns: int | None = None,
        client: int | None = None,
    ) -> dict[str, Any]:
        """Events in order, as JSON types.

        Args:
            since: from this number on.
            from_ns: not before this time.
            to_ns: before this time.
            client: only of this client connection.

        Returns:
            `events`; the number that the `next` one will have; and how many from `since` on are `forgotten`,
            whichever they would have been.

        """
        # Asked for every few seconds by samplers, while clients wait: what is known already is not looked at.
        known = list(heapq.merge(*(_from(part, since) for part in (self._often, self._seldom))))
        events = [
            dict(zip(Event._fields, (number, wall_ns, kind, of_client, *rest), strict=True))
            for number, wall_ns, kind, of_client, *rest in known
            if wall_ns >= from_ns
            and (to_ns is None or wall_ns < to_ns)
            and (client is None or of_client == client)
        ]
        forgotten = max(0, self._count - since) - len(known)
        return {"events": events, "next": self._count, "forgotten": forgotten}


def _from(part: deque[tuple[Any, ...]], number: int) -> list[tuple[Any, ...]]:
    """Events of this number and later ones, found from the end."""
    return list(itertools.takewhile(lambda event: bool(event[0] >= number), reversed(part)))[::-1]
