"""The directory of one synced campaign: its checked rows, what was recorded beside them, its problems."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from poolbench.model.arrow import (
    CLOUDWATCH,
    COLUMNS,
    CONNECTIONS,
    EVENTS,
    TEXT_COLUMNS,
    NotRows,
    arrow_type,
    conform,
    upgrade,
    violations,
)
from poolbench.model.columns import columns
from poolbench.model.header import Header, read_header
from poolbench.model.history import RENAMED
from poolbench.model.series import ConnectionSample

_SMALL = (
    *("schema", "attempt", "sequence", "thread", "request", "round", "environment_ordinal", "engine_ordinal"),
    *("connects", "pings", "invalidations", "recycles", "environments", "threads", "replicate"),
)
_LISTED = 20  # offending rows named for each reason; all are counted
_OPTIONAL = [name for name, column in columns(ConnectionSample).items() if column.default is None]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is missing or was left out."""

    where: str
    what: str
    count: int = 1
    examples: tuple[str, ...] = ()


@dataclass(slots=True)
class CampaignDirectory:
    """A directory with what a sync writes; reading notes what is missing or left out."""

    path: Path
    header: Header
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> "CampaignDirectory":
        """Read the header.

        Raises:
            BadHeader: see `read_header`.

        """
        return cls(path, read_header(path))

    def fingerprint(self) -> str:
        """Digest of the header and the rows."""
        digest = hashlib.sha256()
        for name in ("header.json", "rows.parquet"):
            if (self.path / name).exists():
                with (self.path / name).open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def rows(self) -> pd.DataFrame:
        """The valid rows, in the current version's columns."""
        path = self.path / "rows.parquet"
        parts = [pa.table({name: pa.array([], arrow_type(column)) for name, column in COLUMNS.items()})]
        reasons: dict[str, tuple[int, list[str]]] = {}
        try:
            texts = [name for name in pq.read_schema(path).names if RENAMED.get(name, name) in TEXT_COLUMNS]
            with pq.ParquetFile(path, read_dictionary=texts) as file:
                # An older version may use other names, and upgrading needs all columns.
                names = list(COLUMNS) if {*COLUMNS} <= {*file.schema_arrow.names} else None
                for batch in file.iter_batches(1 << 17, columns=names):
                    table = conform(upgrade(pa.Table.from_batches([batch])))
                    parts.append(_narrow(_valid(table, reasons)))
        except FileNotFoundError:
            self._note(path.name, "is missing: nothing was synced yet")
        except NotRows as error:
            self._note(path.name, f"is left out: {error}")
            del parts[1:]
        except (pa.ArrowException, OSError) as error:
            self._note(path.name, f"is corrupt and left out ({_first_line(error)}): sync the campaign again")
            del parts[1:]
        for reason, (count, examples) in reasons.items():
            self._note(path.name, f"rows left out because {reason}", count, examples)
        self._note_invalid()
        parts[0] = _narrow(conform(parts[0]))
        table = pa.concat_tables(parts).unify_dictionaries()
        del parts
        frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
        return frame

    def connections(self) -> pd.DataFrame:
        """The samplers' series; empty if it is missing, which becomes a problem."""
        return self._series("connections", CONNECTIONS, "connections over time cannot be shown")

    def events(self) -> pd.DataFrame:
        """The lab proxy's events in order of time, likewise; empty on AWS, as RDS Proxy has no event log."""
        if not self.header.target.is_local:
            return _frame(EVENTS.empty_table())
        found = self._series("events", EVENTS, "what the proxy did is shown by its settings")
        return found.sort_values("wall_ns", ignore_index=True)

    def cloudwatch(self) -> pd.DataFrame:
        """CloudWatch's metrics of a campaign on AWS; empty if none were fetched."""
        if not (self.path / "cloudwatch.parquet").exists():
            return _frame(CLOUDWATCH.empty_table())
        return self._series("cloudwatch", CLOUDWATCH, "")

    def _series(self, name: str, schema: pa.Schema, without: str) -> pd.DataFrame:
        path, table = self.path / f"{name}.parquet", schema.empty_table()
        try:
            table = pq.read_table(path)
            for optional in _OPTIONAL:
                if optional in schema.names and optional not in table.column_names:
                    table = table.append_column(optional, pa.nulls(len(table), pa.string()))
            table = table.select(schema.names).cast(schema)
        except FileNotFoundError:
            self._note(path.name, f"is missing: {without}")
        except KeyError as error:
            self._note(path.name, f"is left out: {error}")
        except (pa.ArrowException, OSError) as error:
            self._note(path.name, f"is corrupt and left out ({_first_line(error)}): sync the campaign again")
        return _frame(table)

    def _note(self, name: str, what: str, count: int = 1, examples: Sequence[str] = ()) -> None:
        self.problems.append(Problem(f"{self.header.campaign}: {name}", what, count, tuple(examples)))

    def _note_invalid(self) -> None:
        """Note lines of the store that are not rows; sync keeps them beside the rows."""
        path = self.path / "invalid.jsonl"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ()
        if lines:
            examples = [_described(line) for line in lines[:_LISTED]]
            self._note(path.name, "lines of the store that are not rows", len(lines), examples)


def _frame(table: pa.Table) -> pd.DataFrame:
    """Convert a table; texts become categories."""
    for at, column in enumerate(table.schema):
        if column.type == pa.string():
            table = table.set_column(at, column.name, table[column.name].dictionary_encode())
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _valid(table: pa.Table, reasons: dict[str, tuple[int, list[str]]]) -> pa.Table:
    """Leave out rows that violate the model, and add to the reasons."""
    bad = None
    for reason, mask in violations(table):
        offending = table.filter(mask)
        count, examples = reasons.get(reason, (0, []))
        room = _LISTED - len(examples)
        cells, sequences, requests = (offending[name] for name in ("cell", "sequence", "request"))
        named = zip(cells[:room].to_pylist(), sequences[:room], requests[:room], strict=True)
        examples += [f"{cell} invocation {sequence} request {request}" for cell, sequence, request in named]
        reasons[reason] = (count + len(offending), examples)
        bad = mask if bad is None else pc.or_(bad, mask)
    return table if bad is None else table.filter(pc.invert(bad))


def _narrow(table: pa.Table) -> pa.Table:
    """Store counters in 4 bytes: a million rows must fit into memory beside everything else."""
    for name in _SMALL:
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast(pa.int32()))
    return table


def _described(line: str) -> str:
    try:
        entry = json.loads(line)
        return f"{entry['object']}: {'; '.join(entry['problems'])}"
    except (ValueError, KeyError, TypeError):
        return line[:200]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
