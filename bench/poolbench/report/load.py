"""From synced campaign directories to one checked table of rows and one of connection counts."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from poolbench.model.arrow import COLUMNS, TEXT_COLUMNS, NotRows, arrow_type, conform, upgrade, violations
from poolbench.model.header import BadHeader, Header, read_header
from poolbench.model.history import RENAMED
from poolbench.report.provenance import differences
from poolbench.report.requests import derive
from poolbench.report.series import first_line, no_events, read_cloudwatch, read_connections, read_events

_SMALL = (
    *("schema", "attempt", "sequence", "thread", "request", "round", "environment_ordinal", "engine_ordinal"),
    *("connects", "pings", "invalidations", "recycles", "environments", "threads", "replicate"),
)
# The names that the analyses still use.
_FORMER_NAMES = {"aa_control": "twin", "baseline": "control", "route": "endpoint"}
_LISTED = 20  # offending rows named for each reason; all are counted


class CannotLoad(Exception):
    """The directories cannot be analysed together, or not at all; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is missing or was left out."""

    where: str
    what: str
    count: int = 1
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """One or several campaigns.

    Attributes:
        headers: provenance, one for each campaign.
        rows: all valid rows, with the columns of `schema.COLUMNS`, of `requests.derive`, and of `differing`.
        connections: the samplers' series, with the campaign's id.
        events: what happened at the lab's proxy, likewise; empty on AWS.
        cloudwatch: its metrics, likewise; empty in the lab.
        problems: what is missing or was left out of the above.
        differing: settings in which the campaigns differ; columns of `rows`.

    """

    headers: tuple[Header, ...]
    rows: pd.DataFrame
    connections: pd.DataFrame
    events: pd.DataFrame
    cloudwatch: pd.DataFrame
    problems: tuple[Problem, ...]
    differing: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    """One directory's content, while it is being read."""

    directory: Path
    header: Header
    fingerprint: str
    problems: list[Problem] = field(default_factory=list)

    def note(self, name: str, what: str, count: int = 1, examples: Sequence[str] = ()) -> None:
        self.problems.append(Problem(f"{self.header.campaign}: {name}", what, count, tuple(examples)))


def load(directories: Sequence[Path], *, mixed: bool = False) -> Dataset:
    """Read synced campaigns.

    Args:
        directories: each with what a sync writes. One that cannot be read is left out and becomes a problem,
            as does everything else that is missing.
        mixed: merge campaigns even where their settings differ; each such setting becomes a column.

    Raises:
        CannotLoad: nothing can be read; two directories hold the same campaign with different content; or
            settings differ and `mixed` was not asked for.

    """
    problems: list[Problem] = []
    found: dict[str, _Found] = {}
    for directory in directories:
        try:
            header = read_header(directory)
        except BadHeader as error:
            problems.append(Problem(str(directory), str(error)))
            continue
        one = _Found(directory, header, _fingerprint(directory))
        known = found.setdefault(header.campaign, one)
        if known.fingerprint != one.fingerprint:
            raise CannotLoad(
                f"{known.directory} and {directory} both hold campaign {header.campaign}, with different "
                "content: leave the older one out"
            )
    if not found:
        raise CannotLoad("; ".join(problem.what for problem in problems) or "no directory given")
    campaigns = list(found.values())
    differ = differences([one.header for one in campaigns])
    if differ and not mixed:
        listed = "; ".join(f"{name}: {' / '.join(map(str, values))}" for name, values in differ.items())
        raise CannotLoad(
            f"the campaigns differ in settings ({listed}): report them one by one, or together with --mixed"
        )
    frames = []
    for index, one in enumerate(campaigns):
        frame = _read_rows(one).to_pandas(split_blocks=True, self_destruct=True)
        for name, values in differ.items():
            frame[name] = values[index]
        frame["timeout_s"] = one.header.timeout_s
        frames.append(frame)
        pa.default_memory_pool().release_unused()  # else Arrow keeps as much again for itself
    rows = derive(_concatenated(frames)).rename(columns=_FORMER_NAMES)
    planned = [cell.label for one in campaigns for cell in one.header.cells]
    labels = dict.fromkeys([*planned, *rows["label"].cat.categories])
    rows["label"] = rows["label"].cat.set_categories(list(labels))
    connections = _together((one, read_connections(one.directory, one.note)) for one in campaigns)
    events = _together(
        (one, read_events(one.directory, one.note) if one.header.target.is_local else no_events())
        for one in campaigns
    )
    metrics = _together((one, read_cloudwatch(one.directory, one.note)) for one in campaigns)
    problems += [problem for one in campaigns for problem in one.problems]
    headers = tuple(one.header for one in campaigns)
    return Dataset(headers, rows, connections, events, metrics, tuple(problems), tuple(differ))


def _together(parts: Iterable[tuple[_Found, pd.DataFrame]]) -> pd.DataFrame:
    named = [frame.assign(campaign=one.header.campaign) for one, frame in parts]
    return pd.concat(named, ignore_index=True)


def _fingerprint(directory: Path) -> str:
    digest = hashlib.sha256()
    for name in ("header.json", "rows.parquet"):
        path = directory / name
        if path.exists():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _read_rows(found: _Found) -> pa.Table:
    """Valid rows; everything else becomes a problem."""
    path = found.directory / "rows.parquet"
    parts = [pa.table({name: pa.array([], arrow_type(column)) for name, column in COLUMNS.items()})]
    reasons: dict[str, tuple[int, list[str]]] = {}
    try:
        texts = [name for name in pq.read_schema(path).names if RENAMED.get(name, name) in TEXT_COLUMNS]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            # An older version may have them under other names, and upgrading looks at all there is.
            columns = list(COLUMNS) if {*COLUMNS} <= {*file.schema_arrow.names} else None
            batches = map(
                pa.Table.from_batches, ([part] for part in file.iter_batches(1 << 17, columns=columns))
            )
            parts += [_narrow(_valid(conform(upgrade(batch)), reasons)) for batch in batches]
    except FileNotFoundError:
        found.note(path.name, "is missing: nothing was synced yet")
    except NotRows as error:
        found.note(path.name, f"is left out: {error}")
        del parts[1:]
    except (pa.ArrowException, OSError) as error:
        found.note(path.name, f"is corrupt and left out ({first_line(error)}): sync the campaign again")
        del parts[1:]
    for reason, (count, examples) in reasons.items():
        found.note(path.name, f"rows left out because {reason}", count, examples)
    _note_unsynced(found)
    parts[0] = _narrow(conform(parts[0]))
    return pa.concat_tables(parts).unify_dictionaries()


def _valid(table: pa.Table, reasons: dict[str, tuple[int, list[str]]]) -> pa.Table:
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
    """Counters in 4 bytes: a million rows must fit beside everything else."""
    for name in _SMALL:
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast(pa.int32()))
    return table


def _note_unsynced(found: _Found) -> None:
    """Lines of the store that were not rows even before Parquet; sync keeps them beside it."""
    path = found.directory / "invalid.jsonl"
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if lines:
        examples = [_described(line) for line in lines[:_LISTED]]
        found.note(path.name, "lines of the store that are not rows", len(lines), examples)


def _described(line: str) -> str:
    try:
        entry = json.loads(line)
        return f"{entry['object']}: {'; '.join(entry['problems'])}"
    except (ValueError, KeyError, TypeError):
        return line[:200]


def _concatenated(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table; categories stay categories though each campaign has its own."""
    if len(frames) == 1:
        return frames[0]
    for name in TEXT_COLUMNS:
        united = dict.fromkeys(value for frame in frames for value in frame[name].cat.categories)
        categories = pd.Index(list(united), dtype="str")
        for frame in frames:
            frame[name] = frame[name].cat.set_categories(categories)
    return pd.concat(frames, ignore_index=True)
