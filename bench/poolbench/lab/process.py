"""Processes: children of the lab, and what the system tells of any (proc(5) on Linux, ps(1) elsewhere)."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from poolbench.lab.platform import IS_LINUX, parent_death_hook


class Process(NamedTuple):
    """One process; it may have ended by now."""

    pid: int
    parent: int
    command_line: str  # arguments joined by spaces; undecodable bytes as os.fsdecode has them


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
    """Output of ps, independent of the user's language and time zone."""
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


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `stdout` is all its output, and 127 the exit status where it is missing."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=None if env is None else dict(env),
            preexec_fn=parent_death_hook(),
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, f"{command[0]} is not installed")


def last_lines(text: str, count: int = 5) -> str:
    """Return the end of a program's output, where the reason of a failure is."""
    return "\n".join(text.strip().splitlines()[-count:])


class ChildFailed(RuntimeError):
    """A child of the lab did not start; the message ends with the tail of its log."""


class Child:
    """A process in a process group of its own, killed when the parent goes, logging to a file.

    Attributes:
        announcement: the JSON object that the child printed as its first line, where `announces` was set.

    """

    def __init__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        gid: int | None = None,
        announces: bool = False,
        timeout_s: float = 30.0,
    ) -> None:
        """Start `argv`; with `announces`, wait for its first line, a JSON object that says it is ready.

        Raises:
            ChildFailed: it exited, or did not announce itself within `timeout_s`.

        """
        self.log = log
        self.name = Path(argv[0]).name
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if announces else sink,
                stderr=sink,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
                group=gid,
                preexec_fn=parent_death_hook(),  # noqa: PLW1509 (it only calls prctl)
            )
        self.pid = self._process.pid
        self.announcement: dict[str, Any] = {}
        if announces:
            try:
                self.announcement = self._read_announcement(timeout_s)
            except BaseException:
                self.kill()
                raise

    def _read_announcement(self, timeout_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout_s)
        line = self._process.stdout.readline() if ready else b""
        try:
            announcement = json.loads(line)
        except ValueError:
            announcement = None
        if not isinstance(announcement, dict):
            why = "failed to start" if ready else f"is not ready after {timeout_s:g} s"
            raise ChildFailed(f"{self.name} {why}:\n{self.log_tail()}")
        return announcement

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        return last_lines(self.log.read_text(errors="replace"), lines)

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def stop(self, grace_s: float = 5.0) -> None:
        """SIGTERM, then SIGKILL for the whole group after `grace_s`; returns when it is gone."""
        try:
            if self._process.poll() is None:
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(grace_s)
        finally:  # a second Ctrl-C shortens the grace period only
            self.kill()

    def kill(self) -> None:
        """SIGKILL for the whole group; returns when the child is reaped."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def wait_until(self, ready: Callable[[], bool], timeout_s: float, every_s: float = 0.02) -> None:
        """Poll `ready()` until it is true.

        Raises:
            ChildFailed: the child exited first, or `timeout_s` passed.

        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.exit_code() is not None:
                raise ChildFailed(f"{self.name} exited with {self.exit_code()}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.name} is not ready after {timeout_s:g} s:\n{self.log_tail()}")
            time.sleep(every_s)
