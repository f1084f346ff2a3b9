"""What a report of a million rows takes, and how its aggregates compare with a database made for them."""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import poolbench
from perf.figure import Figure
from poolbench.model.arrow import write_parquet
from poolbench.report.load import load
from poolbench.report.metrics.gaps import summarise

ROWS = 1_000_000
TURNS = 5
_TIMES = ("latency_s", "checkout_s", "connect_s", "ping_s", "execute_s", "reset_s")
_BASE = Path(poolbench.__file__).parents[2] / "results" / "quick"
_REPORT = """
import sys
from pathlib import Path
from poolbench.report.page import write_report
write_report([Path(sys.argv[1])], Path(sys.argv[2]))
# Not getrusage's: that peak survives exec, and would be this process's if it was larger.
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
# The kinds of requests as `poolbench.report.requests` tells them.
_SQL = """
WITH told AS (
    SELECT *, outcome IN ('error', 'hang') AS failed, coalesce(lag(outcome IN ('error', 'hang')) OVER (
        PARTITION BY campaign, cell, attempt, sequence ORDER BY request), false) AS follows_failure
    FROM read_parquet(?)
), kinds AS (
    SELECT *, CASE
        WHEN state IN ('first_in_environment', 'first_of_engine') THEN state
        WHEN state = 'first_after_gap' AND role = 'prime' THEN 'prime'
        WHEN state = 'first_after_gap' THEN state
        WHEN follows_failure THEN 'after_failure' ELSE 'warm' END AS kind
    FROM told WHERE counted
)
SELECT label, gap_ratio, kind, count(*) AS n, sum(failed::INT) AS failed,
    quantile_disc(latency_s, 0.50) FILTER (NOT failed) AS p50_s,
    quantile_disc(latency_s, 0.95) FILTER (NOT failed) AS p95_s,
    quantile_disc(latency_s, 0.99) FILTER (NOT failed) AS p99_s,
    max(latency_s) FILTER (NOT failed) AS max_s,
    avg(connects) AS connects, avg(wire_commands) AS wire_commands
FROM kinds GROUP BY ALL
"""


class Disagree(Exception):
    """Two ways to the same aggregates came to different ones."""


def report_of_a_million(base: Path = _BASE) -> Iterator[Figure]:
    """Write the report of `base`, enlarged, in a process of its own; its time and its peak memory.

    Raises:
        CalledProcessError: the report failed.

    """
    with tempfile.TemporaryDirectory() as folder:
        enlarge(base, Path(folder) / "in", ROWS)
        argv = [sys.executable, "-c", _REPORT, f"{folder}/in", f"{folder}/out"]
        began = time.monotonic()
        peak_kb = int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
        took_s = time.monotonic() - began
    yield Figure("report_1m_rows_s", took_s, "<= 30")
    yield Figure("report_1m_rows_mb", peak_kb / 1024, "<= 1024")


def aggregates_against_duckdb(base: Path = _BASE) -> Iterator[Figure]:
    """Load and aggregate `base`, enlarged, in turn with DuckDB; ratio of the median times.

    Ours checks every row on the way, DuckDB only reads the columns it needs.

    Raises:
        Disagree: they found different aggregates.

    """
    ours, theirs = list[float](), list[float]()
    database = duckdb.connect()
    database.execute("SET enable_progress_bar = false")
    with tempfile.TemporaryDirectory() as folder:
        enlarge(base, Path(folder), ROWS)
        for _ in range(TURNS):
            began = time.monotonic()
            rows = load([Path(folder)]).rows
            own = summarise(rows[rows["counted"]])
            ours.append(time.monotonic() - began)
            began = time.monotonic()
            found = database.execute(_SQL, [f"{folder}/rows.parquet"]).df()
            theirs.append(time.monotonic() - began)
    keys = ["label", "gap_ratio", "kind"]
    other = found.set_index(keys).sort_index().astype(float)
    same = own.reset_index().astype(dict.fromkeys(("label", "kind"), str)).set_index(keys).sort_index()
    if not other.round(12).equals(same.astype(float).round(12)):
        raise Disagree(f"{len(other)} groups by DuckDB and {len(same)} here, or figures in them, differ")
    yield Figure("aggregate_vs_duckdb", statistics.median(ours) / statistics.median(theirs), "<= 3")


def enlarge(source: Path, target: Path, rows: int) -> int:
    """Copy a synced campaign, repeating each cell as further rounds with times scattered by a few percent.

    Returns:
        The number of rows written: `rows`, or what it takes to repeat every cell equally often.

    """
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("figures", "*.html"))
    base = pq.read_table(source / "rows.parquet")
    copies = -(-rows // len(base))
    rng = np.random.default_rng(0)
    rounds, sequences = (pc.max(base[name]).as_py() + 1 for name in ("round", "sequence"))
    tables = []
    for cell in pc.unique(base["cell"]):
        own = base.filter(pc.equal(base["cell"], cell))
        table = pa.concat_tables([own] * copies)
        copy = np.repeat(np.arange(copies), len(own))
        noise = rng.lognormal(0, 0.05, len(table))
        changed = {
            "round": table["round"].to_numpy() + copy * rounds,
            "sequence": table["sequence"].to_numpy() + copy * sequences,
            **{name: table[name].to_numpy() * noise for name in _TIMES},
        }
        for name, values in changed.items():
            at = base.schema.get_field_index(name)
            array = pa.array(values, base.schema.field(at).type, from_pandas=True)
            table = table.set_column(at, name, array)
        tables.append(table)
    write_parquet(target / "rows.parquet", pa.concat_tables(tables))
    return copies * len(base)
