"""What a campaign says when something ends it: what is safe where, and how to go on."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from poolbench.campaign.header import Different
from poolbench.campaign.journal import Journal
from poolbench.cli.lab_campaign import resumable
from poolbench.cli.report import sync_and_report
from poolbench.lab.mysql import ServerUnavailable
from poolbench.store import FileStore, StoreError


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Of a campaign that was begun."""
    begun = Journal(FileStore(tmp_path / "store"), "smoke-20260101T000000Z-0000")
    begun.write("header", {})
    return begun


def said_when(error: BaseException, journal: Journal) -> str:
    console = Console(file=io.StringIO(), width=300)
    with pytest.raises(type(error)), resumable(console, journal, ["smoke", "--out", "a b"]):
        raise error
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), StoreError("x"), ServerUnavailable("x"), ZeroDivisionError()]
)
def test_whatever_ends_a_campaign_it_can_go_on(journal: Journal, error: BaseException) -> None:
    assert (
        said_when(error, journal) == "not finished; to go on: poolbench campaign smoke --out 'a b' --resume\n"
    )


def test_what_cannot_go_on_is_not_said_to(journal: Journal) -> None:
    assert said_when(Different("x"), journal) == ""
    assert said_when(KeyboardInterrupt(), Journal(journal.store, "not-begun")) == ""


def test_a_report_that_fails_can_be_had_later(journal: Journal, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=300)
    with pytest.raises(StoreError, match=r"header.json is not readable: its schema is None"):
        sync_and_report(console, journal, tmp_path / "out")
    assert isinstance(console.file, io.StringIO)
    url = journal.store.url
    again = f"poolbench report {url} --campaign {journal.campaign}"
    assert console.file.getvalue() == f"Measurement complete; rows are in {url}; report: {again}\n"
