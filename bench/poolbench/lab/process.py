"""A child process of the lab: its own group, its own log, no life after its parent."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from poolbench.lab.platform import parent_death_hook


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
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

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
        finally:  # a second Ctrl-C takes the patience, not the end
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
