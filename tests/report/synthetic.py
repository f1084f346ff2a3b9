"""A campaign directory made up from the rules of the pools and the proxy, for tests that need a known truth.

Deterministic by seed. What a strategy does to a connection follows SQLAlchemy's pool; what the proxy does to
an idle one is to close it. Latencies are sums of lognormal costs; no figure here was measured.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from poolbench.model.arrow import EVENTS, ROWS
from poolbench.model.cell import Cell
from poolbench.model.columns import REQUIRED, columns
from poolbench.model.header import DatabaseServer, Git, Header, Machine, SamplingTally, Session, TargetFacts
from poolbench.model.history import SCHEMA
from poolbench.model.row import Outcome, Role, Row, State

START_NS = 1_795_000_000_000_000_000
RECYCLE = {"recycle": 0.7, "recycle_late": 3.0, "recycle_pre_ping": 0.7}  # multiples of the timeout
PINGING = ("pre_ping", "recycle_pre_ping")
STRATEGIES = ("queuepool", "nullpool", "recycle", "recycle_late", "pre_ping", "recycle_pre_ping")
COST_S = {"command": 0.00032, "select": 0.00045, "ping": 0.00022, "handshake": 0.0011, "python": 0.00008}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the campaign consists of."""

    campaign: str = "synthetic-20261123T120000Z-0001"
    seed: int = 1
    timeout_s: float = 2.0
    strategies: tuple[str, ...] = STRATEGIES
    gaps: tuple[float, ...] = (0, 0.5, 0.9, 1.1, 2)
    replicates: int = 2
    rounds: int = 5
    gaps_per_round: int = 3
    requests: int = 3
    driver: str = "pymysql"
    failure: str = "idle_close"
    rtt_s: float = 0.0
    target: dict[str, Any] = field(default_factory=dict)  # laid over the header's


@dataclass
class _Connection:
    identity: int
    opened_s: float
    used_s: float
    closed_s: float | None = None


class _Cell:
    """One engine in one environment: keeps its pooled connection and its clock."""

    def __init__(self, shape: Shape, cell: Cell, lane: int) -> None:
        self.shape, self.facts, self.lane = shape, cell, lane
        self.rng = np.random.default_rng([shape.seed, lane])
        self.now_s = float(self.rng.uniform(0, 0.2))
        self.pooled: _Connection | None = None
        self.history: list[_Connection] = []
        self.ordinal = 0
        self.last_done_s: float | None = None

    def cost(self, kind: str, times: float = 1) -> float:
        tail = 1 + 6 * self.rng.random() if self.rng.random() < 0.01 else 1.0
        return times * (COST_S[kind] * float(self.rng.lognormal(0, 0.12)) * tail + self.rtt_of(kind))

    def rtt_of(self, kind: str) -> float:
        trips = {"python": 0, "handshake": 2}.get(kind, 1)
        return trips * self.shape.rtt_s

    def rows(self) -> Iterator[dict[str, Any]]:
        shape, sequence = self.shape, 0
        for turn in range(shape.rounds):
            for place in range(1 + shape.gaps_per_round):
                if place:
                    self.now_s += self.facts.gap_asked_s + abs(float(self.rng.normal(0, 0.0004)))
                role = Role.MEASURE if place else Role.PRIME
                for request in range(shape.requests):
                    yield self._request(turn, sequence, request, role)
                sequence += 1
            self.now_s += float(self.rng.uniform(0.05, 0.3))

    def _close(self, connection: _Connection, at_s: float) -> None:
        """By the client, unless the proxy was first."""
        if connection.closed_s is None:
            connection.closed_s = min(at_s, connection.used_s + self.shape.timeout_s)

    def _connect(self, at_s: float) -> _Connection:
        self.history.append(_Connection(1000 * self.lane + len(self.history), at_s, at_s))
        return self.history[-1]

    def _request(self, turn: int, sequence: int, request: int, role: Role) -> dict[str, Any]:
        strategy, timeout_s = self.facts.strategy, self.shape.timeout_s
        began_s, gap_s = self.now_s, None if self.last_done_s is None else self.now_s - self.last_done_s
        seen: dict[str, Any] = {"connect_s": None, "ping_s": None, "connects": 0, "pings": 0, "recycles": 0}
        wire, lost, replaced, idle_s = 0, False, False, None
        held = self.pooled
        checkout_s = self.cost("python")
        if held is not None and strategy != "no_database":
            idle_s = began_s - held.used_s
            dead = idle_s > timeout_s
            if began_s - held.opened_s > RECYCLE.get(strategy, np.inf) * timeout_s:
                seen["recycles"], replaced = 1, True
            elif strategy in PINGING:
                seen["pings"], seen["ping_s"], wire = 1, self.cost("ping"), 1
                checkout_s += seen["ping_s"]
                replaced = dead
            else:
                lost = dead
            if replaced or lost:
                self._close(held, began_s)
                self.pooled = None
        if strategy == "no_database":
            execute_s, reset_s, wire_commands = self.cost("python"), self.cost("python"), None
        else:
            if self.pooled is None and not lost:
                setup = 8 if not self.history else 3
                seen["connects"] = 1
                seen["connect_s"] = self.cost("handshake") + self.cost("command", setup)
                checkout_s += seen["connect_s"]
                wire += 1 + setup
                self.pooled = self._connect(began_s)
            execute_s = self.cost("command" if lost else "select")
            reset_s = self.cost("python") if lost else self.cost("command")
            wire_commands = wire + (1 if lost else 2)
        latency_s = checkout_s + execute_s + reset_s
        self.now_s += latency_s
        self.last_done_s = self.now_s
        connection = held if lost else self.pooled
        if self.pooled is not None:
            self.pooled.used_s = self.now_s
            if strategy == "nullpool":
                self._close(self.pooled, self.now_s)
                self.pooled = None
        if self.ordinal == 0:
            state = State.FIRST_IN_ENVIRONMENT
        else:
            state = State.LATER if request else State.FIRST_AFTER_GAP
        after_loss = bool(self.history) and self.ordinal > 0 and seen["connects"] and strategy != "nullpool"
        outcome = Outcome.ERROR if lost else Outcome.RECONNECTED if replaced or after_loss else Outcome.OK
        given = dict(
            schema=SCHEMA,
            campaign=self.shape.campaign,
            cell=self.facts.id,
            attempt=0,
            sequence=sequence,
            thread=0,
            request=request,
            round=turn,
            role=role,
            state=state,
            environment=f"env-{self.lane:03d}",
            initialization="provisioned-concurrency",
            environment_ordinal=self.ordinal,
            engine_ordinal=self.ordinal,
            due_wall_ns=_wall(began_s),
            sent_wall_ns=_wall(began_s - 0.003),
            started_wall_ns=_wall(began_s),
            started_monotonic_ns=_mono(began_s),
            started_boottime_ns=_mono(began_s),
            done_wall_ns=_wall(self.now_s),
            done_monotonic_ns=_mono(self.now_s),
            done_boottime_ns=_mono(self.now_s),
            gap_s=gap_s,
            connection_idle_s=idle_s,
            latency_s=latency_s,
            checkout_s=checkout_s,
            execute_s=execute_s,
            reset_s=reset_s,
            invalidations=int(lost or (replaced and seen["pings"] > 0)),
            wire_commands=wire_commands,
            outcome=outcome,
            error_class="pymysql.err.OperationalError" if lost else None,
            error_code=2013 if lost else None,
            error_message="Lost connection to MySQL server during query" if lost else None,
            error_phase="execute" if lost else None,
            connection_invalidated=True if lost else None,
            connection_id=connection.identity if connection else None,
            **seen,
        )
        self.ordinal += 1
        return given | {
            name: None if column.default is REQUIRED else column.default
            for name, column in columns(Row).items()
            if name not in given
        }


def _wall(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


def _mono(seconds: float) -> int:
    return 5_000_000_000_000 + round(seconds * 1e9)


def _cells(shape: Shape) -> Iterator[Cell]:
    contenders = [(name, False) for name in shape.strategies] + [("queuepool", True), ("no_database", False)]
    for strategy, twin in contenders:
        for ratio in shape.gaps:
            for replicate in range(shape.replicates):
                yield Cell(
                    id=f"{strategy}{'-twin' if twin else ''}-{ratio:g}x-{replicate}",
                    strategy=strategy,
                    aa_control=twin,
                    baseline=strategy == "no_database",
                    gap_ratio=float(ratio),
                    gap_asked_s=float(ratio) * shape.timeout_s,
                    driver=shape.driver,
                    failure=shape.failure,
                    workload="point_select",
                    replicate=replicate,
                )


def header_of(shape: Shape) -> dict[str, Any]:
    """A header like the campaign's own."""
    header = Header(
        campaign=shape.campaign,
        name="synthetic",
        description="Made up for tests; nothing in it was measured.",
        file_text=f"idle_client_timeout_s = {shape.timeout_s}\n",
        file_sha256="0" * 64,
        seed=shape.seed,
        created_wall_ns=START_NS,
        git=Git(commit="0123456789abcdef0123456789abcdef01234567", dirty=False),
        versions={"poolbench": "0.1", "python": "3.11.2", "sqlalchemy": "2.0.58", "pymysql": "1.2.4"},
        server=DatabaseServer(
            flavour="mariadb", version="10.11.19-MariaDB", variables={"wait_timeout": "28800"}
        ),
        target=TargetFacts(
            kind="lab",
            idle_client_timeout_s=shape.timeout_s,
            added_rtt_s=shape.rtt_s,
            freeze="cgroup",
            proxy_settings={"IdleClientTimeout": shape.timeout_s, "MaxConnectionsPercent": 100},
        ),
        machine=Machine(
            cpu="Synthetic CPU",
            cores=2,
            memory_bytes=8 << 30,
            kernel="6.1.0",
            os="Debian GNU/Linux 12 (bookworm)",
        ),
        cells=tuple(_cells(shape)),
        sessions=(
            Session(
                session="000",
                started_wall_ns=START_NS,
                ended_wall_ns=START_NS + 80 * 10**9,
                how="finished",
                sampling=SamplingTally(samples=320),
            ),
        ),
        finished=True,
    ).as_dict()
    header["target"] |= shape.target
    return header


def _samples(cells: Iterable[_Cell], until_s: float) -> dict[str, list[Any]]:
    """Open connections by label on the proxy's client side, and in all on its database side."""
    grid = np.arange(0, until_s, 0.25)
    by_label: dict[str, np.ndarray] = {}
    for cell in cells:
        if cell.facts.strategy == "no_database":
            continue
        counts = by_label.setdefault(cell.facts.label, np.zeros(len(grid)))
        for connection in cell.history:
            closed_s = connection.closed_s or connection.used_s + cell.shape.timeout_s
            counts += (grid >= connection.opened_s) & (grid < closed_s)
    total = sum(by_label.values(), np.zeros(len(grid)))
    series = [("proxy", "ClientConnections", label, counts) for label, counts in by_label.items()]
    series.append(("proxy", "DatabaseConnections", "", np.minimum(np.ceil(total / 8) + 1, 10)))
    series.append(("server", "Threads_connected", "", np.minimum(np.ceil(total / 8) + 2, 11)))
    columns: dict[str, list[Any]] = {name: [] for name in ("wall_ns", "source", "metric", "group", "value")}
    for source, metric, group, values in series:
        for at_s, value in zip(grid, values, strict=True):
            entry = (_wall(float(at_s)), source, metric, group, float(value))
            for name, part in zip(columns, entry, strict=True):
                columns[name].append(part)
    return columns


def _events(cells: Iterable[_Cell]) -> list[dict[str, Any]]:
    """What the proxy would tell of its clients."""
    told = []
    for cell in cells:
        for connection in cell.history:
            idle_s = connection.used_s + cell.shape.timeout_s
            closed_s = idle_s if connection.closed_s is None else connection.closed_s
            kinds = [(connection.opened_s, "accept"), (connection.opened_s + 0.0004, "login")]
            kinds += [(connection.opened_s + 0.0005, "borrow"), (connection.used_s, "release")]
            kinds += [(closed_s, "idle_close")] if closed_s >= idle_s else []
            told += [(at_s, kind, connection.identity) for at_s, kind in (*kinds, (closed_s, "close"))]
    return [
        {
            "wall_ns": _wall(at_s),
            "kind": kind,
            "client": client,
            "database": 7 if kind in ("borrow", "release") else None,
            "detail": None,
        }
        for at_s, kind, client in sorted(told)
    ]


def write_campaign(directory: Path, shape: Shape | None = None) -> Path:
    """Write what a sync writes, with nothing invalid; returns `directory`."""
    shape = shape or Shape()
    directory.mkdir(parents=True, exist_ok=True)
    header = header_of(shape)
    cells = [_Cell(shape, cell, lane) for lane, cell in enumerate(_cells(shape))]
    rows = [
        {
            **row,
            **cell.facts.factors(),
            "counted": True,
            "function": f"bench-{cell.lane:03d}:live",
            "client_sent_wall_ns": row["sent_wall_ns"],
            "client_done_wall_ns": row["done_wall_ns"] + 2_000_000,
            "duration_s": row["latency_s"] + 0.001,
            "throttled": 0,
        }
        for cell in cells
        for row in cell.rows()
    ]
    samples = _samples(cells, max(cell.now_s for cell in cells))
    (directory / "header.json").write_text(json.dumps(header, indent=1))
    pq.write_table(pa.Table.from_pylist(rows, schema=ROWS), directory / "rows.parquet", compression="zstd")
    pq.write_table(pa.table(samples), directory / "connections.parquet", compression="zstd")
    events = pa.Table.from_pylist(_events(cells), schema=EVENTS)
    pq.write_table(events, directory / "events.parquet", compression="zstd")
    (directory / "invalid.jsonl").write_text("")
    return directory
