"""A soak tells what grows from what only fills."""

from pathlib import Path

import pytest

from perf import soak
from perf.soak import MOMENTS, ProcessSample, growth
from poolbench.campaign.file import CampaignFile


def test_what_fills_in_the_first_half_does_not_grow() -> None:
    samples = [ProcessSample(36.0 * step, min(50.0, 10.0 + step), min(9, step)) for step in range(101)]
    fills = growth("proxy", 1, samples)
    assert fills.mb_per_hour == pytest.approx(0)
    assert fills.files_per_hour == pytest.approx(0)
    assert [sample.at_s for sample in fills.shown] == [3600 * moment for moment in MOMENTS]


def test_what_leaks_grows_by_what_it_leaks_in_an_hour() -> None:
    leaks = growth("lane", 1, [ProcessSample(36.0 * step, 10 + 0.25 * step, 3 + step) for step in range(101)])
    assert leaks.mb_per_hour == pytest.approx(25)
    assert leaks.files_per_hour == pytest.approx(100)
    assert leaks.line().split() == [
        "lane",
        "1",
        "12.5",
        "17.5",
        "22.5",
        "28.8",
        "35.0",
        "+25.00",
        "13",
        "103",
        "+100.00",
    ]


@pytest.mark.slow
def test_every_long_lived_process_of_a_lab_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for bound in ("PAST_CLIENTS", "CAPACITY"):
        monkeypatch.setattr(soak, bound, 10)
    monkeypatch.setattr(soak, "EVERY_S", 0.1)
    grown = soak.soak(CampaignFile.load("smoke"), 1, tmp_path / "campaign")
    assert {one.name for one in grown} == {*soak.NAMES.values(), "client"}
    assert capsys.readouterr().out == "campaign 1: 144 rows, 18 of 18 cells finished\n"
