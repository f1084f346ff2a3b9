"""Other labs on the machine of a campaign, which take processor time from what it measures."""

import time
from collections.abc import Callable, Collection

EVERY_S = 5.0  # to look takes up to some milliseconds, between two invocations


class Neighbours:
    """Those that were there at any look."""

    def __init__(self, find: Callable[[], Collection[int]]) -> None:
        """Look for the first time; `find` returns the processes that run other labs now."""
        self._find = find
        self._seen = set(find())
        self._next = time.monotonic() + EVERY_S

    def look(self) -> None:
        """Look again, if it is time to."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY_S
            self._seen.update(self._find())

    def count(self) -> int:
        """How many there were, the last look included, which is now."""
        self._seen.update(self._find())
        return len(self._seen)
