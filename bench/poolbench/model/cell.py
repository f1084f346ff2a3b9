"""The cell: one combination of factors, what is stored of it once it is finished, and when it happened."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from poolbench.model.columns import flat, unflat
from poolbench.model.failures import MODES
from poolbench.typed import BadValue, build, unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of factors, measured on one lane."""

    id: str
    strategy: str
    aa_control: bool = False  # the second half of the A/A pair: the same strategy again
    baseline: bool = False  # the request that touches no server
    gap_asked_s: float = 0.0
    gap_ratio: float = 0.0  # gap / idle client timeout
    replicate: int
    workload: str
    failure: str  # what happens to connections, see poolbench.model.failures
    driver: str
    environments: int = 1  # at once
    threads: int = 1  # in each, on one engine

    def __post_init__(self) -> None:
        """Refuse a failure mode that this version does not know.

        Raises:
            BadValue: see the message.

        """
        if self.failure not in MODES:
            raise BadValue(f"cell {self.id}: failure: {unknown(self.failure, MODES)}")

    @property
    def endpoint(self) -> str:
        """Where connections go: `database`, or one of the proxy's endpoints."""
        return MODES[self.failure].endpoint

    @property
    def route(self) -> str:
        """Whether connections go through the proxy: `proxy` or `database`."""
        return "database" if MODES[self.failure].direct else "proxy"

    @property
    def label(self) -> str:
        """Name of the strategy with its A/A control told apart; connections announce it to the server."""
        return f"{self.strategy}-twin" if self.aa_control else self.strategy

    def factors(self) -> dict[str, Any]:
        """Columns that the cell's rows get when they are synced."""
        table = asdict(self)
        del table["id"]
        return {"label": self.label, "route": self.route, **table}


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaReport:
    """What the Lambda service said of an invocation."""

    function_error: str | None = None  # the error's type, if the function failed or timed out
    duration_s: float | None = None  # from the REPORT line
    init_duration_s: float | None = None
    max_memory_mb: float | None = None
    throttled: int = 0  # refusals before it ran; a refused call runs nothing, so asking again is safe


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    """An invocation as the client saw it; columns of its rows."""

    function: str
    client_sent_wall_ns: int
    client_done_wall_ns: int
    report: LambdaReport


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationRecord:
    """What is stored of an invocation beside its rows."""

    sequence: int
    environment: str
    client_due_wall_ns: int
    client: ClientView

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return flat(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "InvocationRecord":
        """Inverse of `as_dict`.

        Raises:
            BadValue: it is not a record.

        """
        return unflat(cls, table)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The moments of a burst's cell, in wall nanoseconds of the client."""

    began: int  # nothing of the cell had happened yet
    start: int  # its environments may begin
    ended: int  # all have answered
    after: int  # they have been left alone for long enough

    def phase_at(self, wall_ns: int) -> str | None:
        """`before`, `burst` or `tail`; None outside of the window."""
        if not self.began <= wall_ns <= self.after:
            return None
        return "before" if wall_ns < self.start else "burst" if wall_ns <= self.ended else "tail"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCell:
    """The object that makes a cell finished."""

    cell: str
    attempt: int
    invocations: tuple[InvocationRecord, ...]
    window: Window | None = None  # of a burst

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        window = {"window": asdict(self.window)} if self.window else {}
        return {
            "cell": self.cell,
            "attempt": self.attempt,
            "invocations": [record.as_dict() for record in self.invocations],
            **window,
        }

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "FinishedCell":
        """Inverse of `as_dict`.

        Raises:
            BadValue: it is not a finished cell.

        """
        records = table.get("invocations")
        if not isinstance(records, list):
            raise BadValue("invocations is not a list")
        made = tuple(InvocationRecord.from_dict(record) for record in records)
        rest = {name: value for name, value in table.items() if name != "invocations"}
        return build(cls, rest, invocations=made)


class Windows:
    """The windows of a campaign's cells, which never overlap: whatever was counted in one is its own."""

    def __init__(self, cells: Mapping[str, FinishedCell]) -> None:
        """Of finished cells, by id."""
        self._found = sorted((found.window, cell) for cell, found in cells.items() if found.window)
        self._began = [window.began for window, _ in self._found]

    def at(self, wall_ns: int) -> tuple[str | None, str | None]:
        """The cell and the phase that it was in; Nones if nothing was in progress."""
        place = bisect_right(self._began, wall_ns) - 1
        if place < 0:
            return None, None
        window, cell = self._found[place]
        phase = window.phase_at(wall_ns)
        return (cell if phase else None), phase
