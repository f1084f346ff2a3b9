"""Stores that throttle, fail, stall, lie about a put, fill up: each row once, or somebody is told."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from poolbench.campaign.file import CampaignFile
from poolbench.store import FileStore, S3Store, StoreError
from tests.harm.s3 import (
    CREATING,
    INTERNAL_ERROR,
    SLOW_DOWN,
    Fault,
    FaultyS3,
    away,
    dropped_answer,
    faulty_s3,
    slow,
)
from tests.users import SHORT_ROWS, User

BUCKET = "results"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    with faulty_s3() as running:
        variables = {"AWS_ENDPOINT_URL_S3": running.url, "AWS_DEFAULT_REGION": "us-east-1"}
        variables |= dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "x")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        # One bucket for each test: what moto holds outlives the server in front of it.
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield running
        for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=entry["Key"])
        client.delete_bucket(Bucket=BUCKET)


@pytest.mark.parametrize(
    ("faults", "created"),
    [
        ([SLOW_DOWN, SLOW_DOWN], True),
        ([INTERNAL_ERROR, SLOW_DOWN], True),
        ([dropped_answer], False),
        ([dropped_answer, INTERNAL_ERROR], False),
        ([CREATING, CREATING], True),
        ([away, away, away], True),
        pytest.param([slow(4)], False, marks=pytest.mark.slow),
    ],
    ids=[
        "throttled",
        "failing",
        "answer-dropped",
        "answer-dropped-then-failing",
        "being-created",
        "away-for-a-while",
        "slow",
    ],
)
def test_a_put_is_repeated_until_the_object_is_there_once(
    s3: FaultyS3, faults: list[Fault], created: bool
) -> None:
    s3.faults = list(faults)
    store = S3Store(BUCKET, "here")
    assert store.put_new("row", b"measured") is created
    assert s3.puts == len(faults) + 1
    assert store.get("row") == b"measured"
    assert list(store.list_keys("")) == ["row"]


@pytest.mark.parametrize(
    ("fault", "code"), [(SLOW_DOWN, "SlowDown"), (CREATING, "ConditionalRequestConflict")]
)
def test_a_put_that_never_succeeds_is_given_up_with_the_reason(s3: FaultyS3, fault: Fault, code: str) -> None:
    s3.faults = [fault] * 50
    with pytest.raises(StoreError, match=f"store s3://{BUCKET}/here: cannot write row: {code}"):
        S3Store(BUCKET, "here").put_new("row", b"measured")
    assert 1 < s3.puts < 10


def test_a_store_that_is_away_is_given_up_long_before_a_function_times_out(
    s3: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(StoreError, match="Could not connect to the endpoint"):
        S3Store(BUCKET, "").put_new("row", b"measured")
    smoke = CampaignFile.load("smoke").campaign
    requests_s = smoke.request.requests * smoke.request.deadline_s
    assert time.monotonic() - began < smoke.function_timeout_s - requests_s


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 pages' room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=False).returncode:
        pytest.skip("may not mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_named_and_leaves_no_half_object(small_disk: Path) -> None:
    store = FileStore(small_disk)
    store.put_new("first", b"x" * 200_000)
    with pytest.raises(StoreError, match=r"cannot write rows/second: No space left on device"):
        store.put_new("rows/second", b"y" * 100_000)
    assert list(store.list_keys("")) == ["first"]
    assert [path.name for path in small_disk.rglob("*") if path.is_file()] == ["first"]
    (small_disk / "first").unlink()
    assert store.put_new("rows/second", b"y" * 100_000) is True


def test_a_disk_that_turned_read_only_is_named(small_disk: Path) -> None:
    store = FileStore(small_disk)
    store.put_new("first", b"x")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreError, match="cannot write second: Read-only file system"):
        store.put_new("second", b"x")
    assert store.get("first") == b"x"


@pytest.mark.slow
def test_a_disk_full_in_mid_campaign_stops_it_and_room_lets_it_go_on(user: User, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(130_000))
    file = user.short()
    code, output = user.run("campaign", file, "--store", str(small_disk))
    assert code == 1, output
    said = re.sub(r"\s+", " ", output)
    assert "No space left on device" in said
    assert "all that was stored before is safe there" in said
    assert f"to go on: poolbench campaign {file}" in said
    assert "Traceback" not in said
    kept = {path: path.read_bytes() for path in small_disk.glob("*/rows/*/*.jsonl")}
    assert kept
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    code, output = user.run("campaign", file, "--store", str(small_disk), "--resume")
    assert code == 0, output
    assert {path: path.read_bytes() for path in kept} == kept
    counted = user.rows(counted=True)
    assert (
        len({(row["cell"], row["sequence"], row["request"]) for row in counted}) == len(counted) == SHORT_ROWS
    )


@pytest.mark.slow
def test_rows_travel_home_when_only_the_client_reaches_the_store(user: User, s3: FaultyS3) -> None:
    # The functions' S3 is the lab's, which has no such bucket; the client's is this one.
    assert "AWS_ENDPOINT_URL_S3" in os.environ
    store = f"s3://{BUCKET}/campaigns"
    s3.good_puts = 20
    file = user.short()
    code, output = user.run("campaign", file, "--store", store)
    assert code == 1, output
    assert "InternalError; all that was stored before is safe there" in re.sub(r"\s+", " ", output)
    assert "Traceback" not in output
    s3.good_puts = None
    code, output = user.run("campaign", file, "--store", store, "--resume")
    assert code == 0, output
    counted = user.rows(counted=True)
    assert (
        len({(row["cell"], row["sequence"], row["request"]) for row in counted}) == len(counted) == SHORT_ROWS
    )
