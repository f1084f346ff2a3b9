"""A lab that nobody could end is found, and one that is in use is left alone."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from poolbench.lab import process as processes
from poolbench.lab.leftovers import PREFIX, Leftover, find_leftovers, work_directory
from tests.users import wait_for


@pytest.fixture(autouse=True, params=["proc", "ps"])
def way_to_see_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Linux and as elsewhere."""
    if request.param == "ps" and shutil.which("ps") is None:
        pytest.skip("no ps here")
    if request.param == "proc" and sys.platform != "linux":
        pytest.skip("no /proc here")
    monkeypatch.setattr(processes, "IS_LINUX", request.param == "proc")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_lab_in_use_is_no_leftover_and_goes_by_itself(temporary: Path) -> None:
    with work_directory() as folder:
        assert folder.parent == temporary
        assert folder.stat().st_mode & 0o077 == 0
        assert find_leftovers() == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_interrupts_again_does_not_keep_a_lab_from_being_removed(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    remove = shutil.rmtree

    def interrupted(folder: Path, **options: Any) -> None:
        signal.raise_signal(number)
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    before = signal.signal(number, signal.default_int_handler)  # which raises KeyboardInterrupt
    try:
        with work_directory():
            pass
    finally:
        signal.signal(number, before)
    assert list(temporary.iterdir()) == []


def test_a_lab_whose_owner_died_is_found_with_its_processes_and_cleaned(temporary: Path) -> None:
    folder = temporary / f"{PREFIX}x"
    folder.mkdir()
    (folder / "owner").write_text("999999999 12345")
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)", folder])
    try:
        wait_for(lambda: find_leftovers()[0].processes)  # between fork and exec it is still ours
        assert find_leftovers() == [Leftover(folder, (process.pid,))]
        find_leftovers()[0].clean()
        assert process.wait(60) == -9
        assert find_leftovers() == []
    finally:
        process.kill()
        process.wait()


def test_a_lab_that_is_just_being_made_or_removed_is_no_leftover(temporary: Path) -> None:
    folder = temporary / f"{PREFIX}x"
    folder.mkdir()
    assert find_leftovers() == []
    os.utime(folder, (0, 0))
    assert [leftover.folder for leftover in find_leftovers()] == [folder], "killed while it was removed"


def test_another_process_with_the_owners_number_does_not_count_as_the_owner(temporary: Path) -> None:
    folder = temporary / f"{PREFIX}x"
    folder.mkdir()
    (folder / "owner").write_text("1 0")
    assert [leftover.folder for leftover in find_leftovers()] == [folder]
