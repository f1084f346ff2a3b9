"""Both stores behave the same: create-only, whole objects, clear refusals."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from poolbench.store import Conflict, FileStore, S3Store, Store, StoreError, check_writable, open_store


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if request.param == "file":
        yield open_store((tmp_path / "results").as_uri())
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="results")
        yield open_store("s3://results/some/prefix")


def test_an_object_is_created_once_and_read_back(store: Store) -> None:
    assert store.put_new("a/b/c.json", b"one") is True
    assert store.get("a/b/c.json") == b"one"


def test_our_own_retry_is_not_a_conflict(store: Store) -> None:
    store.put_new("key", b"same")
    assert store.put_new("key", b"same") is False


def test_other_content_under_a_key_is_refused_and_changes_nothing(store: Store) -> None:
    store.put_new("key", b"first")
    with pytest.raises(Conflict, match="key exists with other content"):
        store.put_new("key", b"second")
    assert store.get("key") == b"first"


def test_listing_is_by_prefix_sorted_and_complete(store: Store) -> None:
    for key in ("r/2", "r/10", "r/1", "rx/1", "s/1"):
        store.put_new(key, key.encode())
    assert list(store.list_keys("r/")) == ["r/1", "r/10", "r/2"]
    assert list(store.list_keys("r")) == ["r/1", "r/10", "r/2", "rx/1"]
    assert list(store.list_keys("nothing/")) == []
    assert store.list_folders() == ["r", "rx", "s"]


def test_a_missing_object_is_a_key_error(store: Store) -> None:
    with pytest.raises(KeyError):
        store.get("nothing")


def test_a_writable_store_stays_writable(store: Store) -> None:
    check_writable(store)
    check_writable(store)


def test_of_racing_creates_exactly_one_wins(store: Store) -> None:
    won, lost = [], []

    def create(content: bytes) -> None:
        try:
            store.put_new("race", content)
            won.append(content)
        except Conflict:
            lost.append(content)

    threads = [threading.Thread(target=create, args=(str(i).encode(),)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 11)
    assert [store.get("race")] == won


def test_a_half_written_object_is_never_seen(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / ".tmp-left-by-a-crash").write_bytes(b"hal")
    assert list(store.list_keys("rows/")) == []


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        StoreError, match=f"store file://{tmp_path}/file: cannot write writable: {tmp_path}/file is a file"
    ):
        check_writable(FileStore(tmp_path / "file"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(StoreError, match="Permission denied"):
        check_writable(FileStore(tmp_path))


@mock_aws
def test_a_bucket_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(StoreError, match="store s3://no-such-bucket: cannot write writable: NoSuchBucket"):
        check_writable(S3Store("no-such-bucket", ""))


@pytest.mark.parametrize("url", ["http://host/x", "s3:///prefix", "file://elsewhere/x", ""])
def test_a_url_that_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="use a directory, file:///directory or s3://bucket/prefix"):
        open_store(url)
