"""`python -m perf.soak`: campaigns in a loop on one lab, and whether anything in it grows.

For every process of the lab and for the client, anonymous memory (pages of files come and go as the kernel
likes) and open files are read throughout; the slope is a least squares fit over the last third. By then what
is bounded is full: the proxy's logs of connections and events, which are filled before the first campaign,
its series, which holds half an hour, and allocators.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pymysql

from poolbench.campaign.file import CampaignFile
from poolbench.campaign.journal import Journal
from poolbench.campaign.session import open_journal, run_session
from poolbench.lab.process import anonymous_mb, descendants, open_files
from poolbench.lab.proxy.context import PAST_CLIENTS
from poolbench.lab.proxy.monitoring import CAPACITY
from poolbench.lab.stack import Stack
from poolbench.store import FileStore
from poolbench.targets import variables_set
from poolbench.targets.lab import LabOptions, running_lab

EVERY_S = 5.0
MOMENTS = (0.1, 0.3, 0.5, 0.75, 1.0)  # of the time, that are shown
STEADY = 2 / 3  # from this one on
NAMES = {  # of processes, by what their command line holds
    "--datadir": "server",
    "poolbench.lab.proxy": "proxy",
    "poolbench.lab.aws": "Lambda service",
    "watchdog": "watchdog",
    "poolbench.function.sampler": "sampler",
    "poolbench.function.handler": "lane",
}


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """A process at a moment."""

    at_s: float
    memory_mb: float
    files: int


@dataclass(frozen=True, slots=True)
class Growth:
    """A process over time."""

    name: str
    pid: int
    shown: tuple[ProcessSample, ...]  # at MOMENTS
    mb_per_hour: float
    files_per_hour: float

    def line(self) -> str:
        """As a row of the table."""
        memory = "".join(f"{sample.memory_mb:9.1f}" for sample in self.shown)
        files = f"{self.shown[0].files:8}{self.shown[-1].files:6}"
        return f"{self.name:16}{self.pid:8}{memory}{self.mb_per_hour:+9.2f}{files}{self.files_per_hour:+9.2f}"


_MOMENTS = "".join(f"MB {moment:.0%}".rjust(9) for moment in MOMENTS)
HEAD = f"{'process':16}{'pid':>8}{_MOMENTS}{'MB/h':>9}{'files':>8}{'end':>6}{'files/h':>9}"


def growth(name: str, pid: int, samples: Sequence[ProcessSample]) -> Growth:
    """Fit what a process did in the end; needs samples at two moments at least."""
    steady = samples[int(STEADY * len(samples)) :]
    hours = [sample.at_s / 3600 for sample in steady]
    return Growth(
        name=name,
        pid=pid,
        shown=tuple(samples[int(moment * (len(samples) - 1))] for moment in MOMENTS),
        mb_per_hour=statistics.linear_regression(hours, [sample.memory_mb for sample in steady]).slope,
        files_per_hour=statistics.linear_regression(hours, [sample.files for sample in steady]).slope,
    )


class Watching:
    """Samples this process and everything below it until it is stopped, on a thread of its own."""

    def __init__(self) -> None:
        """Nothing is sampled yet."""
        # Three numbers a sample and no objects: this process is one of those that are watched.
        self._samples: dict[int, array[float]] = {}
        self._names: dict[int, str] = {}
        self._stop = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """ProcessSample for as long as the block runs."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def grown(self) -> list[Growth]:
        """Every process that lived nearly as long as the oldest."""
        samples = {
            pid: [
                ProcessSample(at_s, memory_mb, int(files))
                for at_s, memory_mb, files in zip(*[iter(seen)] * 3, strict=True)
            ]
            for pid, seen in self._samples.items()
        }
        most = max(map(len, samples.values()), default=0)
        lasting = {pid: seen for pid, seen in samples.items() if len(seen) > max(4, 0.9 * most)}
        return [growth(self._names[pid], pid, seen) for pid, seen in lasting.items()]

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(EVERY_S):
            for pid, command in descendants(os.getpid()).items():
                with contextlib.suppress(OSError):  # gone meanwhile
                    sample = time.monotonic() - began, anonymous_mb(pid), open_files(pid)
                    self._samples.setdefault(pid, array("d")).extend(sample)
                    self._names[pid] = _name(command, NAMES)


def _name(command: str, names: Mapping[str, str]) -> str:
    return next((name for words, name in names.items() if words in command), "client")


def soak(file: CampaignFile, seconds: float, folder: Path) -> list[Growth]:
    """Run a campaign again and again on one lab; what each process grew by."""
    campaign, watching = file.campaign, Watching()
    with (
        running_lab(campaign, LabOptions()) as target,
        variables_set(target.stack.environment()),
        watching.running(),
    ):
        _fill_logs(target.stack)
        until, number = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            journal: Journal = open_journal(file, FileStore(folder / "store"), None)
            run_session(file, journal, target, resume=False, on_progress=lambda _progress: None)
            number += 1
            sys.stdout.write(f"campaign {number}: {_sync(journal, folder / 'out')}\n")
            sys.stdout.flush()
            shutil.rmtree(folder)
    return watching.grown()


def _fill_logs(stack: Stack) -> None:
    """Connect to the proxy more often than it remembers connections, or what happened with them."""
    login = stack.endpoints.application
    for _ in range(max(PAST_CLIENTS, CAPACITY)):
        pymysql.connect(
            host=stack.proxy.host,
            port=stack.proxy.port,
            user=login.user,
            password=login.password,
            ssl_disabled=True,
        ).close()


def _sync(journal: Journal, into: Path) -> str:
    """Sync as users do, in a process that ends, and takes with it what the tables needed."""
    command = [sys.executable, "-m", "poolbench", "sync", journal.store.url, str(into)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Soak for as long as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m perf.soak", description=__doc__)
    parser.add_argument("campaign", nargs="?", default="quick", help="file, or name of a packaged one")
    parser.add_argument("--minutes", type=float, default=60.0, help="default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        grown = soak(CampaignFile.load(arguments.campaign), 60 * arguments.minutes, Path(folder) / "campaign")
    sys.stdout.write("\n".join([HEAD, *(one.line() for one in grown)]) + "\n")


if __name__ == "__main__":
    main()
