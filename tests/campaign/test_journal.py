"""What a store's objects tell of a campaign, and what sync makes of them."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from poolbench.campaign.file import CampaignFile
from poolbench.campaign.header import make_header
from poolbench.campaign.journal import Journal, NoCampaign, newest
from poolbench.campaign.session import open_journal
from poolbench.campaign.sync import sync
from poolbench.model.arrow import ROWS
from poolbench.model.columns import columns
from poolbench.model.header import NOT_ENDED, Jump, Session, read_header
from poolbench.model.row import Row
from poolbench.store import FileStore, StoreError
from tests.campaign.fakes import seen_by_the_client
from tests.campaign.stored import CELL, DESCRIBED, TARGET, put_row


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(FileStore(tmp_path / "store"), "smoke-20260101T000000Z-aaaa")
    made.write("header", make_header(made.campaign, CampaignFile.load("smoke"), TARGET, DESCRIBED).as_dict())
    return made


def finish(journal: Journal, attempt: int, sequences: list[int]) -> None:
    invocations = [seen_by_the_client(sequence) for sequence in sequences]
    journal.write(f"cells/{CELL}", {"cell": CELL, "attempt": attempt, "invocations": invocations})


def test_rows_of_an_abandoned_attempt_are_kept_but_not_counted(journal: Journal, tmp_path: Path) -> None:
    put_row(journal, attempt=0, sequence=0)
    for sequence in range(2):
        put_row(journal, attempt=1, sequence=sequence)
    finish(journal, attempt=1, sequences=[0, 1])
    assert journal.next_attempts() == {CELL: 2}
    synced = sync(journal, tmp_path / "out")
    assert (synced.rows, synced.uncounted, synced.finished_cells, synced.cells) == (3, 1, 1, 18)
    rows = pq.read_table(tmp_path / "out" / "rows.parquet")
    assert rows.schema.equals(ROWS)
    assert {(row["attempt"], row["counted"]) for row in rows.to_pylist()} == {(0, False), (1, True)}
    counted = [row for row in rows.to_pylist() if row["counted"]]
    assert {row["duration_s"] for row in counted} == {0.25}
    assert {(row["strategy"], row["gap_ratio"], row["label"]) for row in counted} == {
        ("queuepool", 1.5, "queuepool")
    }
    header = json.loads((tmp_path / "out" / "header.json").read_text())
    assert header["finished"] is False


def test_what_is_not_a_row_is_set_aside_with_its_reason(journal: Journal, tmp_path: Path) -> None:
    put_row(journal, attempt=0, sequence=0)
    put_row(journal, attempt=0, sequence=1, outcome="fine")
    put_row(journal, attempt=0, sequence=2, cell="no-such-cell")
    put_row(journal, attempt=0, sequence=4, connects=2**63)  # more than Parquet holds
    journal.store.put_new(f"{journal.campaign}/rows/{CELL}/0-00003.jsonl", b'{"schema": 1\n')
    finish(journal, attempt=0, sequences=[0, 1, 2, 3])
    synced = sync(journal, tmp_path / "out")
    assert (synced.rows, synced.invalid) == (1, 4)
    lines = (tmp_path / "out" / "invalid.jsonl").read_text().splitlines()
    problems = [json.loads(line)["problems"][0] for line in lines]
    assert problems[0].startswith("outcome: unknown 'fine'")
    assert problems[1] == "its cell is not in the header"
    assert problems[2].startswith("not JSON: ")
    assert problems[3].endswith("connects is 9223372036854775808, which does not fit into 64 bits")


def test_what_others_leave_in_a_store_is_no_object(journal: Journal, tmp_path: Path) -> None:
    put_row(journal, attempt=0, sequence=0)
    journal.write("sessions/000", {"session": "000", "started_wall_ns": 1})
    finish(journal, attempt=0, sequences=[0])
    folder = tmp_path / "store" / journal.campaign
    for stray in ("rows/.DS_Store", "sessions/.DS_Store", "sessions/000.json~", "cells/.x.json.swp"):
        (folder / stray).write_bytes(b"\x00")
    for stray in ("rows/x.jsonl", "sessions/notes.json", "cells/of-another-campaign.json"):
        (folder / stray).write_text("{}")
    assert (journal.next_session(), journal.next_attempts()) == ("001", {CELL: 1})
    synced = sync(journal, tmp_path / "out")
    assert (synced.rows, synced.finished_cells, synced.invalid) == (1, 1, 1)


def test_sync_again_replaces_what_it_wrote(journal: Journal, tmp_path: Path) -> None:
    put_row(journal, attempt=0, sequence=0)
    finish(journal, attempt=0, sequences=[0])
    first = sync(journal, tmp_path / "out")
    assert sync(journal, tmp_path / "out") == first
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "connections.parquet",
        "events.parquet",
        "header.json",
        "invalid.jsonl",
        "rows.parquet",
    ]


def test_events_that_two_slices_hold_count_once(journal: Journal, tmp_path: Path) -> None:
    told = [
        json.dumps({"wall_ns": at, "kind": "accept", "client": at, "database": None, "detail": None})
        for at in (1, 2, 3)
    ]
    for number, lines in enumerate((told[:2], told)):
        data = "".join(f"{line}\n" for line in lines).encode()
        journal.store.put_new(f"{journal.campaign}/events/000-{number}.jsonl", data)
    sync(journal, tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "events.parquet")["wall_ns"].to_pylist() == [1, 2, 3]


def test_every_field_of_a_row_is_a_column() -> None:
    assert set(columns(Row)) <= set(ROWS.names)


def test_the_newest_campaign_of_a_name_is_found_by_its_time(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with pytest.raises(NoCampaign, match="no campaign 'quick'; it is empty"):
        newest(store, "quick")
    for campaign in (
        "quick-20260102T000000Z-aaaa",
        "quick-20260101T000000Z-ffff",
        "quick-x-20270101T000000Z-0",
    ):
        Journal(store, campaign).write("header", {})
    assert newest(store, "quick") == "quick-20260102T000000Z-aaaa"
    with pytest.raises(NoCampaign, match="no campaign 'full'; it holds quick-2026"):
        newest(store, "full")


def test_a_campaign_killed_before_its_header_was_written_is_none(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    Journal(store, "quick-20260101T000000Z-aaaa").write("header", {})
    (tmp_path / "quick-20260102T000000Z-aaaa").mkdir()
    assert newest(store, "quick") == "quick-20260101T000000Z-aaaa"
    with pytest.raises(
        NoCampaign, match="no campaign 'quick-20260102T000000Z-aaaa'; it holds quick-20260101"
    ):
        open_journal(CampaignFile.load("quick"), store, "quick-20260102T000000Z-aaaa")


def test_a_session_that_was_killed_is_told_with_the_jumps_it_had_noted(
    journal: Journal, tmp_path: Path
) -> None:
    jump = Jump(wall_ns=5, wall_s=3600.25, monotonic_s=0.25, boottime_s=0.25)
    killed = Session(session="000", started_wall_ns=1)
    finished = Session(session="001", started_wall_ns=9, how="finished", jumps=(jump,))
    journal.write(f"starts/{journal.next_session()}", killed.as_dict())
    journal.write("jumps/000-000", asdict(jump))
    journal.write(f"starts/{journal.next_session()}", replace(finished, how=NOT_ENDED, jumps=()).as_dict())
    journal.write("jumps/001-000", asdict(jump))
    journal.write("sessions/001", finished.as_dict())
    assert journal.next_session() == "002"
    sync(journal, tmp_path / "out")
    assert read_header(tmp_path / "out").sessions == (replace(killed, jumps=(jump,)), finished)


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("header.json", b"{"),
        ("header.json", b"{}"),
        ("header.json", b'{"cells": ["x"]}'),
        ("cells/queuepool-0x-0.json", b"[]"),
        ("cells/queuepool-0x-0.json", b"{}"),
        ("cells/queuepool-0x-0.json", b'{"attempt": 0, "invocations": [1]}'),
        ("connections/000-0.jsonl", b"{"),
        ("connections/000-0.jsonl", b"[1]"),
        ("connections/000-0.jsonl", b'{"wall_ns": 1, "value": "x"}'),
        ("events/000-0.jsonl", b"3"),
        ("jumps/000-000.json", b'{"wall_ns": 5}'),
        ("jumps/000-000.json", b'{"wall_ns": 5, "wall_s": "long", "monotonic_s": 0.25, "boottime_s": 0.25}'),
    ],
)
def test_a_store_that_holds_something_damaged_is_told_by_its_name(
    tmp_path: Path, key: str, data: bytes
) -> None:
    damaged = Journal(FileStore(tmp_path / "store"), "smoke-20260101T000000Z-aaaa")
    damaged.store.put_new(f"{damaged.campaign}/{key}", data)
    if key != "header.json":
        header = make_header(damaged.campaign, CampaignFile.load("smoke"), TARGET, DESCRIBED)
        damaged.write("header", header.as_dict())
        damaged.write("starts/000", {"session": "000", "started_wall_ns": 1})
    with pytest.raises(StoreError, match=f"{damaged.campaign}/{key} is"):
        sync(damaged, tmp_path / "out")
