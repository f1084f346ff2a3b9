"""Leftovers of a lab that was interrupted: by a power cut, or a SIGKILL where children outlive parents."""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from poolbench.lab.process import processes, started_at

PREFIX = "poolbench-lab-"
_OWNER = "owner"
_INTERRUPTING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CHANGING_S = 60.0  # since something was last put into it or removed; a lab takes far less


@dataclass(frozen=True, slots=True)
class Leftover:
    """A lab's directory whose owner is gone, and the processes that still work in it."""

    folder: Path
    processes: tuple[int, ...]

    def clean(self) -> None:
        """Kill the processes and remove the directory."""
        for pid in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def work_directory() -> Iterator[Path]:
    """A directory for one lab, private to the user, marked with its owner and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        (folder / f"{_OWNER}.partial").write_text(own_mark())
        (folder / f"{_OWNER}.partial").rename(folder / _OWNER)
        yield folder
    finally:
        with _undisturbed():
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore a second Ctrl-C and a closed terminal, which would leave half a directory behind."""
    if threading.current_thread() is not threading.main_thread():  # which gets none
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _INTERRUPTING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def find_leftovers() -> list[Leftover]:
    """Directories of this user's labs whose owners have gone."""
    return [
        Leftover(folder, tuple(_working_in(folder)))
        for folder in _folders()
        if owner(folder) is None and not _changing(folder)
    ]


def running_labs() -> list[int]:
    """Process ids of those who run labs of this user on this machine."""
    return [pid for pid in map(owner, _folders()) if pid is not None]


def owner(folder: Path) -> int | None:
    """Who runs a lab in this directory; None if they have gone."""
    try:
        return marked_by((folder / _OWNER).read_text())
    except OSError:
        return None


def _changing(folder: Path) -> bool:
    """Whether it is just being made or removed, and has no mark for that."""
    try:
        return not (folder / _OWNER).exists() and time.time() - folder.stat().st_mtime < _CHANGING_S
    except FileNotFoundError:
        return True


def own_mark() -> str:
    """Mark of this process, for what is to be found once it has gone."""
    return f"{os.getpid()} {started_at(os.getpid())}"


def marked_by(mark: str) -> int | None:
    """Process that left a mark; None if it has gone, or the mark is malformed."""
    pid, _, started = mark.partition(" ")
    return int(pid) if pid.isdecimal() and started_at(int(pid)) == started != "" else None


def _folders() -> Iterator[Path]:
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        with contextlib.suppress(FileNotFoundError):  # a lab that ends just now
            if folder.stat().st_uid == os.geteuid():
                yield folder


def _working_in(folder: Path) -> Iterator[int]:
    return (process.pid for process in processes() if str(folder) in process.command_line)
