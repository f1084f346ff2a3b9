"""Somebody at a shell in a directory of their own, and what their campaigns leave there."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from poolbench.store import PARTIAL

TIMEOUT_S = 600
Poolbench = Callable[..., tuple[int, str]]  # the command line in this process: its exit code, and all it said
SHORT = """
name = "short"
description = "No idle timeout is reached."
seed = 1
idle_client_timeout_s = 10
[factors]
strategies = ["queuepool", "pre_ping"]
gaps_s = [0, 0.2]
[request]
requests = 2
deadline_s = 3
[repetition]
lanes = 4
rounds = 2
"""
SHORT_ROWS = 8 * 2 * 2 * 2  # cells x rounds x invocations x requests


def processes_below(folder: Path) -> dict[int, str]:
    """Processes that mention `folder` in their command line, environment or directory."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            known = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            known += os.fsencode((entry / "cwd").readlink())
            if os.fsencode(folder) in known and int(entry.name) != os.getpid():
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def run_poolbench(folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run the command line in a directory: exit code, and all that it said, errors last."""
    done = subprocess.run(
        [sys.executable, "-m", "poolbench", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "300", **variables},
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return done.returncode, done.stdout + done.stderr


@dataclass
class User:
    """Somebody at a shell in a directory of their own."""

    folder: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        # Whatever the lab starts, it starts below this temporary directory.
        environment = {**os.environ, "TMPDIR": str(self.folder), "COLUMNS": "200"}
        return subprocess.Popen(
            [sys.executable, "-m", "poolbench", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def short(self) -> str:
        """A campaign file that takes no time to speak of; its campaign counts SHORT_ROWS rows."""
        (self.folder / "short.toml").write_text(SHORT)
        return "short.toml"

    def run(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, output

    def left_over(self) -> dict[int, str]:
        """Processes and lab directories that are still there."""
        return processes_below(self.folder)

    def objects(self, pattern: str) -> list[Path]:
        """Files of the store that are objects; one that is being put is none yet."""
        found = (self.folder / "runs" / "store").glob(pattern)
        return sorted(path for path in found if not path.name.startswith(PARTIAL))

    def rows(self, **where: Any) -> list[dict[str, Any]]:
        (path,) = (self.folder / "runs").glob("*/rows.parquet")
        rows = self.rows_of(path.parent.name)
        return [row for row in rows if all(row[name] == value for name, value in where.items())]

    def rows_of(self, campaign: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(
            self.folder / "runs" / campaign / "rows.parquet"
        ).to_pylist()
        return rows


def wait_for(condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
