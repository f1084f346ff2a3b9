"""One figure: a name, what was measured now, and what it should be."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of `make perf`."""

    name: str
    value: float
    goal: str  # such as "<= 1.10"

    def line(self) -> str:
        """Name, value and goal, tab-separated."""
        return f"{self.name}\t{self.value:.4g}\t{self.goal}"


Measure = Callable[[], Iterable[Figure]]
