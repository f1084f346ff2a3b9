"""Labs beside a campaign."""

import pytest

from poolbench.campaign import beside
from poolbench.campaign.beside import OtherLabs


def test_every_lab_that_was_seen_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    there: set[int] = {1}
    found = OtherLabs(lambda: there)
    there = {1, 2}
    found.look()
    there = {3}
    assert found.count() == 2, "to look takes time, and the second came and went between two looks"
    there = {4}
    clock[0] = beside.LOOK_EVERY_S
    found.look()
    there = set()
    assert found.count() == 3
