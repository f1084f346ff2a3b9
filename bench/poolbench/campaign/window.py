"""When a burst's cell was all that happened, so that what was counted meanwhile can be told to be its own."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The moments of one cell, in wall nanoseconds of the client."""

    began: int  # nothing of the cell had happened yet
    start: int  # its environments may begin
    ended: int  # all have answered
    after: int  # they have been left alone for long enough

    def phase_at(self, wall_ns: int) -> str | None:
        """`before`, `burst` or `tail`; None outside of the window."""
        if not self.began <= wall_ns <= self.after:
            return None
        return "before" if wall_ns < self.start else "burst" if wall_ns <= self.ended else "tail"

    def as_dict(self) -> dict[str, int]:
        """JSON types."""
        return asdict(self)

    @classmethod
    def of(cls, cell: Mapping[str, Any]) -> Self | None:
        """Window of a finished cell's object; None if it was no burst."""
        return cls(**cell["window"]) if "window" in cell else None


class Windows:
    """The windows of a campaign's cells, which never overlap."""

    def __init__(self, cells: Mapping[str, Mapping[str, Any]]) -> None:
        """Of finished cells, by id."""
        found = [(window, cell) for cell, content in cells.items() if (window := Window.of(content))]
        self._found = sorted(found)
        self._began = [window.began for window, _ in self._found]

    def at(self, wall_ns: int) -> tuple[str | None, str | None]:
        """The cell and the phase that it was in; Nones if nothing was in progress."""
        place = bisect_right(self._began, wall_ns) - 1
        if place < 0:
            return None, None
        window, cell = self._found[place]
        phase = window.phase_at(wall_ns)
        return (cell if phase else None), phase
