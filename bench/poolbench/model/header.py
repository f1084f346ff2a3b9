"""The header of a campaign: what it was run with, written before anything is measured, and its sessions."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from poolbench.model.cell import Cell
from poolbench.model.history import SCHEMA, FromTheFuture, upgraded_header, upgraded_session
from poolbench.typed import BadValue, build


class BadHeader(Exception):
    """header.json is missing, or does not fit; the message names the file and the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """The checkout that the package runs from; Nones where it was installed from elsewhere."""

    commit: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseServer:
    """The database server, as it describes itself."""

    flavour: str  # mysql or mariadb
    version: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the client ran on; on AWS that is not where the function ran."""

    cpu: str
    cores: int
    memory_bytes: int
    kernel: str
    os: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What each invocation does."""

    workload: str = "point_select"
    requests: int = 3  # back to back: the first after the gap, the others later
    pooled: int = 1  # connections that are in the pool when the gap begins, as after so many threads at once
    deadline_s: float = 5.0  # for each; after it the row says `hang`


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """What a reader of results must know of what was under test; no secrets."""

    kind: str  # `lab` or `aws`
    idle_client_timeout_s: float = 0.0  # of the proxy
    added_rtt_s: float = 0.0  # round-trip time that the lab added; on AWS the network has its own
    tls: bool = False
    # Of the lab:
    freeze: str | None = None
    server_source: str | None = None
    bundle: str | None = None  # SHA-256 of the bundle that functions ran from; None: the package itself
    proxy_settings: Mapping[str, Any] = field(default_factory=dict)
    # On AWS:
    region: str | None = None
    stack: str | None = None
    driver: str | None = None  # who waits for the gaps: `stepfunctions` or `client`
    proxy_name: str | None = None
    lanes: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether it is the lab, and not AWS."""
        return self.kind != "aws"


@dataclass(slots=True)
class SamplingTally:
    """What became of the samples of one session."""

    samples: int = 0
    missed: int = 0  # the server or the proxy did not answer
    late: int = 0  # taken after the next one was due
    failed_slices: int = 0
    events: int = 0  # of the lab's proxy
    events_forgotten: int = 0  # by the proxy, before they were asked for
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Jump:
    """A beat that did not take as long as it was to take: its time, and its length on each clock in seconds.

    A machine that stands still, or is overloaded, is late on all clocks; one that was suspended is not late
    on the monotonic clock; and a clock that was set differs from the others.
    """

    wall_ns: int  # when the beat began
    wall_s: float
    monotonic_s: float
    boottime_s: float


NOT_ENDED = "not ended"  # how a session ended that goes on, or was killed
FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run of the campaign command, or of the deployed state machine."""

    session: str
    started_wall_ns: int
    how: str = NOT_ENDED  # or `finished`, `interrupted`, `stopped: WHY`
    pid: int | None = None  # on this machine; None on AWS
    ended_wall_ns: int | None = None
    sampling: SamplingTally | None = None
    jumps: tuple[Jump, ...] = ()
    other_labs: int = 0  # that ran on the machine meanwhile, and took processor time

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Any) -> Self:
        """Inverse of `as_dict`, of any version.

        Raises:
            BadValue: it is not a session.

        """
        return build(cls, upgraded_session(table))


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Everything that a reader needs to judge, or repeat, a campaign."""

    schema: int = SCHEMA
    campaign: str  # id
    name: str
    description: str
    file_text: str
    file_sha256: str
    seed: int
    created_wall_ns: int
    git: Git = Git()
    versions: Mapping[str, str]
    drivers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # version and build of each
    server: DatabaseServer
    target: TargetFacts
    request: Request | None = None  # None: the campaign is older than this part
    machine: Machine
    left_out: tuple[str, ...] = ()  # combinations of factors that cannot be, with the reason
    cells: tuple[Cell, ...]
    # Added when the campaign is synced:
    sessions: tuple[Session, ...] = ()
    finished: bool = False

    @property
    def timeout_s(self) -> float:
        """The proxy's idle client timeout."""
        return self.target.idle_client_timeout_s

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        same: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return same

    @classmethod
    def from_dict(cls, table: Any, where: str) -> Self:
        """Inverse of `as_dict`, of any version up to the current one.

        Args:
            table: what the file holds.
            where: the file's name, for messages.

        Raises:
            BadHeader: it is from a newer version, or a key is unknown, missing or of another type.

        """
        if not isinstance(table, dict):
            raise BadHeader(f"{where} is damaged: expected a JSON object; sync the campaign again")
        try:
            header = build(cls, upgraded_header(table))
        except FromTheFuture as error:
            raise BadHeader(f"{where} is not readable: {error}") from None
        except BadValue as error:
            raise BadHeader(f"{where} is damaged: {error}; sync the campaign again") from None
        if header.timeout_s <= 0:
            key = "target.idle_client_timeout_s"
            raise BadHeader(f"{where} is damaged: {key} is {header.timeout_s:g}, and gaps are relative to it")
        return header


def read_header(directory: Path) -> Header:
    """Read the header of a synced campaign.

    Raises:
        BadHeader: it is missing, half-written, or of a version that is not known.

    """
    path = directory / "header.json"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadHeader(f"{path} is missing: is this a synced campaign? (see `poolbench sync`)") from None
    except (OSError, ValueError) as error:
        raise BadHeader(f"{path} cannot be read: {error}; sync the campaign again") from None
    return Header.from_dict(table, str(path))
