"""The processes of this machine: proc(5) on Linux, ps(1) elsewhere."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from poolbench.lab.platform import IS_LINUX


class Process(NamedTuple):
    """One of them; whoever may see it, it may be gone by now."""

    pid: int
    parent: int
    command_line: str  # arguments joined by spaces; bytes that are no text as os.fsdecode has them


def started_at(pid: int) -> str:
    """When a process started, which tells it from a later one with the same number; empty if it is gone.

    Field 22 of /proc/PID/stat, in clock ticks since boot; elsewhere the date, to the second.
    """
    if not IS_LINUX:
        return _ps("-p", str(pid), "-o", "lstart=").strip()
    try:
        return _stat(Path(f"/proc/{pid}"))[19]
    except OSError:
        return ""


def processes() -> Iterator[Process]:
    """All that this user may see."""
    if not IS_LINUX:
        for line in _ps("-axww", "-o", "pid=,ppid=,command=").splitlines():
            pid, parent, *rest = line.split(None, 2)
            yield Process(int(pid), int(parent), "".join(rest))
        return
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command_line = os.fsdecode((entry / "cmdline").read_bytes().replace(b"\0", b" "))
            yield Process(int(entry.name), int(_stat(entry)[1]), command_line)


def descendants(ancestor: int) -> dict[int, str]:
    """Command lines of a process and of all below it, by process id; none if it has gone."""
    everybody = {process.pid: process for process in processes()}
    found = {ancestor} & everybody.keys()
    while below := {pid for pid, process in everybody.items() if process.parent in found} - found:
        found |= below
    return {pid: everybody[pid].command_line for pid in found}


def _ps(*arguments: str) -> str:
    """What ps says, whatever the user's language and time zone."""
    variables = os.environ | {"LC_ALL": "C", "TZ": "UTC0"}
    return os.fsdecode(
        subprocess.run(["ps", *arguments], check=False, stdout=subprocess.PIPE, env=variables).stdout
    )


def _stat(process: Path) -> list[str]:
    """Fields of /proc/PID/stat from the third on; the second is the command's name, any bytes."""
    return (process / "stat").read_bytes().rpartition(b")")[2].decode().split()


def anonymous_mb(pid: int) -> float:
    """Resident memory of a process that is its own: RssAnon of /proc/PID/status (proc(5)).

    The rest are pages of files, libraries most of all, which the kernel drops and reads again as it sees fit.

    Raises:
        OSError: it has gone, or this is not Linux.

    """
    for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {pid} has ended, and has no memory left")


def open_files(pid: int) -> int:
    """Number of file descriptors of a process.

    Raises:
        OSError: it has gone, or this is not Linux.

    """
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 (numbers, not paths)


def peak_memory_mb(pid: int) -> int | None:
    """Peak resident memory of a process (VmHWM of proc(5)), rounded up; None if it has gone, or off Linux."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    _, found, rest = status.partition("VmHWM:")
    return -(-int(rest.split()[0]) // 1024) if found else None
