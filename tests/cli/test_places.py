"""A report is made from wherever a campaign lies: synced, in a directory's store, or in a bucket."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from poolbench.campaign.journal import NoCampaign
from poolbench.cli.places import NoPlace, fetch, find
from poolbench.report.page import write_report
from poolbench.store import FileStore, S3Store
from tests.report.edit import small_campaign
from tests.users import User, run_poolbench


@pytest.fixture
def store(smoke: User) -> FileStore:
    """The store of a real campaign."""
    return FileStore(smoke.folder / "runs" / "store")


@pytest.fixture
def bucket(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    """The same in a bucket."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="bucket")
        copy = S3Store("bucket", "some/prefix")
        for key in store.list_keys(""):
            copy.put_new(key, store.get(key))
        yield copy


def test_a_bucket_is_reported_as_the_directory_is(store: FileStore, bucket: S3Store, tmp_path: Path) -> None:
    pages = []
    for name, url in (("file", store.url), ("s3", bucket.url)):
        directory = fetch(url, out=tmp_path / name)
        assert (directory / "events.parquet").exists()
        pages.append(write_report([directory], directory).page.read_text())
    assert pages[0] == pages[1]


def test_a_campaign_in_a_bucket_has_a_url_of_its_own(bucket: S3Store, tmp_path: Path) -> None:
    (campaign,) = bucket.list_folders()
    assert fetch(f"{bucket.url}/{campaign}", out=tmp_path) == tmp_path
    assert (tmp_path / "rows.parquet").exists()


def test_a_report_of_a_store_needs_no_sync_before(smoke: User, tmp_path: Path) -> None:
    store = smoke.folder / "runs" / "store"
    code, output = run_poolbench(tmp_path, "report", str(store))
    assert code == 0, output
    (campaign,) = FileStore(store).list_folders()
    assert f"report: runs/{campaign}/report.html" in output
    assert (tmp_path / "runs" / campaign / "report.html").exists()


def test_a_store_of_several_campaigns_asks_which(store: FileStore, tmp_path: Path) -> None:
    both = FileStore(tmp_path / "store")
    for key in store.list_keys("smoke-"):
        both.put_new(key, store.get(key))
        both.put_new(f"other{key[key.index('/') :]}", store.get(key))
    with pytest.raises(NoCampaign, match="say which campaign with --campaign; it holds other, smoke-"):
        fetch(both.url)
    with pytest.raises(NoCampaign, match="no campaign 'mine'; it holds other, smoke-"):
        fetch(both.url, "mine")
    assert fetch(both.url, "other", tmp_path / "out") == tmp_path / "out"


def test_a_place_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(NoPlace, match="directory 'nowhere' does not exist"):
        fetch("nowhere")


def test_a_campaign_cannot_be_chosen_of_a_directory_that_is_one(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    with pytest.raises(NoPlace, match="not a store with campaigns to choose from: leave --campaign out"):
        fetch(str(tmp_path), campaign="other")


def test_what_was_synced_is_not_synced_again(tmp_path: Path) -> None:
    small_campaign(tmp_path / "synced")
    with pytest.raises(NoCampaign, match="synced holds no campaign"):
        find(str(tmp_path / "synced"), None)


def test_two_versions_of_one_campaign_are_refused(tmp_path: Path) -> None:
    small_campaign(tmp_path / "one")
    small_campaign(tmp_path / "other", seed=2)
    code, output = run_poolbench(tmp_path, "report", "one", "other")
    assert code == 1
    assert "one and other both hold campaign synthetic-" in output
    assert "Traceback" not in output


def test_a_campaign_with_a_corrupt_file_is_reported_without_it(tmp_path: Path) -> None:
    small_campaign(tmp_path / "good")
    bad = small_campaign(tmp_path / "bad", campaign="bad")
    (bad / "rows.parquet").write_bytes(b"PAR1 not really")
    code, output = run_poolbench(tmp_path, "report", "good", "bad", "--out", "both")
    assert code == 0, output
    assert "bad: rows.parquet is corrupt and left out" in (tmp_path / "both" / "report.html").read_text()


def test_settings_that_differ_are_reported_together_when_asked(tmp_path: Path) -> None:
    small_campaign(tmp_path / "near")
    small_campaign(tmp_path / "far", campaign="far", rtt_s=0.01)
    code, output = run_poolbench(tmp_path, "report", "near", "far")
    assert code == 1
    assert "differ in settings (target.added_rtt_s: 0.0 / 0.01)" in output
    assert "--mixed" in output
    code, output = run_poolbench(tmp_path, "report", "near", "far", "--mixed", "--out", "both")
    assert code == 0, output
    assert "target.added_rtt_s 0.0\n" in output
    assert "target.added_rtt_s 0.01\n" in output
    assert (tmp_path / "both" / "report.html").exists()
