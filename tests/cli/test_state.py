"""The word that a lab in the background leaves."""

from pathlib import Path

import pytest

from poolbench.cli.lab import read_state, remove_state, write_state


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POOLBENCH_LAB_STATE", str(tmp_path / "lab.json"))
    return tmp_path / "lab.json"


def test_two_labs_that_come_up_at_once_do_not_take_each_others_place(place: Path) -> None:
    write_state({"first": "secret"})
    with pytest.raises(FileExistsError):
        write_state({"second": "secret"})
    state = read_state()
    assert state is not None
    assert state.variables == {"first": "secret"}
    assert list(place.parent.iterdir()) == [place]
    assert place.stat().st_mode & 0o077 == 0
    remove_state()
    assert read_state() is None


def test_a_lab_takes_the_place_of_one_that_has_died(place: Path) -> None:
    place.write_text('{"pid": 1, "started": "0", "variables": {}}')
    write_state({"second": "secret"})
    state = read_state()
    assert state is not None
    assert state.variables == {"second": "secret"}
