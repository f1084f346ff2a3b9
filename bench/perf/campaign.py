"""The quick campaign, timed, and checked from its own rows for how well its waits overlap."""

import itertools
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from perf.figure import Figure
from poolbench.model.header import read_header


class Overlapping(Exception):
    """Two measured windows overlap, so what they measured is each other."""


def quick_campaign() -> Iterator[Figure]:
    """Run `poolbench campaign quick` as a user would; its time, and its wall time over its critical path.

    Raises:
        Overlapping: two measured windows overlap.

    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        began = time.monotonic()
        subprocess.run(
            [
                *(sys.executable, "-m", "poolbench", "campaign", "quick"),
                *("--store", f"{folder}/store", "--out", out),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        took_s = time.monotonic() - began
        overlap = campaign_overlap(out)
    yield Figure("quick_campaign_s", took_s, "<= 120")
    yield Figure("campaign_overlap", overlap, "<= 1.10")


def campaign_overlap(directory: Path) -> float:
    """Wall time of a synced campaign's invocations over its critical path.

    The critical path is that of the lane that needs longest: its idle gaps, as asked, and its own measured
    windows, which no schedule could do without.

    Raises:
        Overlapping: two measured windows overlap.

    """
    header = read_header(directory)
    columns = ["cell", "sequence", "role", "function", "client_sent_wall_ns", "client_done_wall_ns"]
    rows = pq.read_table(directory / "rows.parquet", columns=columns).to_pylist()
    gap_s = {cell.id: cell.gap_asked_s for cell in header.cells}
    invocations = {(row["cell"], row["sequence"]): row for row in rows}.values()
    windows = sorted((row["client_sent_wall_ns"], row["client_done_wall_ns"]) for row in invocations)
    for (_, done), (sent, _) in itertools.pairwise(windows):
        if sent < done:
            raise Overlapping(f"a window began {(done - sent) / 1e6:.3f} ms before another had ended")
    of_lane: dict[str, float] = defaultdict(float)
    for row in invocations:
        of_lane[row["function"]] += (row["client_done_wall_ns"] - row["client_sent_wall_ns"]) / 1e9
        of_lane[row["function"]] += gap_s[row["cell"]] if row["role"] == "measure" else 0.0
    wall_s = (windows[-1][1] - windows[0][0]) / 1e9
    critical_s = max(of_lane.values())
    return float(wall_s / critical_s)
