"""What stops a session before anything is measured."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pytest

from poolbench.campaign.engine import CampaignStopped
from poolbench.campaign.file import CampaignFile
from poolbench.campaign.journal import Journal
from poolbench.campaign.session import prepare
from poolbench.campaign.target import FaultInjector
from poolbench.model.header import TargetFacts
from poolbench.store import FileStore
from poolbench.targets.aws import AwsFaults
from tests.campaign.fakes import FakeClock, FakeFunction


@dataclass(frozen=True)
class Bare:
    """A target whose functions do nothing."""

    lanes: tuple[str, ...] = ("lane:live",)
    fleet: str = ""
    sampler: str = "sampler:live"
    facts: TargetFacts = TargetFacts(kind="aws")
    faults: FaultInjector = AwsFaults()

    def other_labs(self) -> Collection[int]:
        return ()


def test_a_failure_that_the_target_cannot_have_is_named_before_it_is_called(tmp_path: Path) -> None:
    function = FakeFunction(FakeClock())
    file = CampaignFile.load("smoke").with_failures(["idle_close", "black_hole"])
    journal = Journal(FileStore(tmp_path), "smoke-1")
    with pytest.raises(CampaignStopped, match=r"factors.failures: black_hole can be had in the lab alone"):
        prepare(file, journal, Bare(), function, resume=False)
    assert function.calls == []
    assert not journal.begun()


def test_a_burst_needs_a_fleet(tmp_path: Path) -> None:
    file = CampaignFile.load("concurrency")
    with pytest.raises(CampaignStopped, match="needs a function with many environments"):
        prepare(file, Journal(FileStore(tmp_path), "c-1"), Bare(), FakeFunction(FakeClock()), resume=False)
