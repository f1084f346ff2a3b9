"""What a sync makes of a burst: rows say how many there were, samples of which cell they are."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from poolbench.campaign.file import CampaignFile
from poolbench.campaign.header import make_header
from poolbench.campaign.journal import Journal
from poolbench.campaign.sync import sync
from poolbench.model.cell import Cell, FinishedCell, InvocationRecord, Window
from poolbench.model.row import Role
from poolbench.store import FileStore
from tests.campaign.fakes import seen_by_the_client
from tests.campaign.stored import CELL, DESCRIBED, TARGET, put_row

BURST = Cell(
    id=CELL,
    strategy="queuepool",
    driver="pymysql",
    failure="idle_close",
    workload="slow",
    replicate=0,
    environments=3,
    threads=2,
)


def burst_journal(folder: Path) -> Journal:
    """A campaign of one cell of three environments, finished, with samples around it."""
    journal = Journal(FileStore(folder), "c-1")
    header = make_header("c-1", CampaignFile.load("smoke"), TARGET, DESCRIBED)
    journal.write("header", replace(header, cells=(BURST,)).as_dict())
    put_row(journal, 0, 0, thread=1, role=Role.BURST)
    record = InvocationRecord.from_dict(seen_by_the_client(0))
    window = Window(100, 200, 300, 400)
    journal.file(FinishedCell(cell=CELL, attempt=0, invocations=(record,), window=window))
    sample = {"source": "server", "metric": "Threads_connected", "group": "", "value": 1.0}
    lines = [json.dumps(sample | {"wall_ns": at}) + "\n" for at in (99, 100, 250, 400, 401)]
    journal.store.put_new("c-1/connections/000-00000.jsonl", "".join(lines).encode())
    return journal


def test_samples_say_which_cell_was_in_progress_and_how_far_it_was(tmp_path: Path) -> None:
    synced = sync(burst_journal(tmp_path / "store"), tmp_path / "out")
    assert (synced.invalid, synced.finished_cells) == (0, 1)
    samples = pq.read_table(tmp_path / "out" / "connections.parquet").to_pylist()
    assert [(each["cell"], each["phase"]) for each in samples] == [
        (None, None),
        (CELL, "before"),
        (CELL, "burst"),
        (CELL, "tail"),
        (None, None),
    ]


def test_rows_say_their_thread_and_how_many_there_were(tmp_path: Path) -> None:
    sync(burst_journal(tmp_path / "store"), tmp_path / "out")
    (row,) = pq.read_table(tmp_path / "out" / "rows.parquet").to_pylist()
    assert (row["thread"], row["environments"], row["threads"], row["role"]) == (1, 3, 2, "burst")
    assert row["counted"]
