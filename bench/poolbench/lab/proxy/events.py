"""What happened when, to draw the timeline of a failure from."""

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


class Selection(NamedTuple):
    """Some events.

    Attributes:
        events: fields of `Event`.
        next: the number that the next one will have.
        forgotten: how many of those that were asked for, whichever they would have been.

    """

    events: list[tuple[Any, ...]]
    next: int
    forgotten: int


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
    ) -> Selection:
        """Events in order.

        Args:
            since: from this number on.
            from_ns: not before this time.
            to_ns: before this time.
            client: only of this client connection.

        """
        # Both parts are in order, and a number is of one event: this merges them.
        known = sorted(_from(self._often, since) + _from(self._seldom, since))
        events = [
            event
            for event in known
            if event[1] >= from_ns
            and (to_ns is None or event[1] < to_ns)
            and (client is None or event[3] == client)
        ]
        return Selection(events, self._count, max(0, self._count - since) - len(known))


def _from(part: deque[tuple[Any, ...]], number: int) -> list[tuple[Any, ...]]:
    """Events of this number and later ones, found from the end."""
    return list(itertools.takewhile(lambda event: bool(event[0] >= number), reversed(part)))[::-1]
