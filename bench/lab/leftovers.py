"""What a lab leaves when nobody could end it: a power cut, or a SIGKILL where children outlive parents."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = "poolbench-lab-"
_OWNER = "owner"


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
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / _OWNER).write_text(f"{os.getpid()} {_started(os.getpid())}")
        yield folder


def find_leftovers() -> list[Leftover]:
    """Directories of labs that nobody owns any more."""
    folders = sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
    return [Leftover(folder, tuple(_working_in(folder))) for folder in folders if not _owned(folder)]


def _owned(folder: Path) -> bool:
    try:
        pid, started = (folder / _OWNER).read_text().split()
    except (OSError, ValueError):
        return False
    return _started(int(pid)) == started != ""


def _started(pid: int) -> str:
    """When a process started, which tells it from a later one with the same number; empty if it is gone.

    Field 22 of /proc/PID/stat (proc(5)), counted from behind the command's name, which may hold spaces.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _working_in(folder: Path) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in (entry / "cmdline").read_bytes():
                yield int(entry.name)
