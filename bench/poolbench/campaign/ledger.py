"""When a campaign has lost its database, and which cells may be filed: pure, and the same everywhere.

The engine keeps one for a whole campaign, the conductor on AWS one for a lane, which travels through the
state machine as JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from poolbench.model.cell import Cell
from poolbench.model.failures import MODES, When
from poolbench.model.row import Outcome, Role


class DatabaseLost(Exception):
    """Nothing but failures has come back for too long; the message has the last one's words."""


@dataclass(slots=True)
class Way:
    """What is known of one way to the database; the other one may be fine."""

    failed_in_a_row: int = 0  # invocations, or bursts, in which every request failed
    complete: list[str] = field(default_factory=list)  # cells, not filed while nothing succeeds


@dataclass(slots=True)
class Ledger:
    """Counts failures and holds complete cells back while nothing but failures comes."""

    stop_after: int
    proxy: Way = field(default_factory=Way)
    database: Way = field(default_factory=Way)
    failed: int = 0  # requests so far; not those of the baseline

    def note(self, cell: Cell, role: Role, outcomes: Sequence[str], last_error: str | None) -> None:
        """Count what one invocation, or one burst, brought.

        Raises:
            DatabaseLost: this was one too many in a row in which every request failed.

        """
        if cell.baseline:
            return
        failed = sum(Outcome(outcome).failed for outcome in outcomes)
        self.failed += failed
        if role is Role.MEASURE and MODES[cell.failure].when is When.AT_THE_REQUEST:
            return  # that every request fails then is what it is about
        way = self._way(cell)
        way.failed_in_a_row = way.failed_in_a_row + 1 if failed == len(outcomes) else 0
        if way.failed_in_a_row >= self.stop_after:
            kind = "bursts" if role is Role.BURST else "invocations"
            raise DatabaseLost(
                f"no request has succeeded in {self.stop_after} {kind} in a row, the last said: {last_error}"
            )

    def complete(self, cell: Cell) -> list[str]:
        """Take a cell whose invocations are all done; return the cells to file now.

        Not while every request fails: if the database turns out to be down, --resume measures them again.
        """
        if cell.baseline:
            return [cell.id]
        way = self._way(cell)
        way.complete.append(cell.id)
        return self._release(way)

    def settle(self, cell: Cell) -> list[str]:
        """Return the cells to file after a `note` of this one."""
        return self._release(self._way(cell))

    def held(self) -> list[str]:
        """Return the complete cells that were never filed; they are to be measured again."""
        return [*self.proxy.complete, *self.database.complete]

    def end(self) -> list[str]:
        """Return the cells to file at the end, when no later invocation can tell."""
        return [*self._release(self.proxy, always=True), *self._release(self.database, always=True)]

    def _way(self, cell: Cell) -> Way:
        return self.database if MODES[cell.failure].direct else self.proxy

    @staticmethod
    def _release(way: Way, *, always: bool = False) -> list[str]:
        if way.failed_in_a_row and not always:
            return []
        released, way.complete = way.complete, []
        return released
