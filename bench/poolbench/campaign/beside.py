"""What runs beside the measurements: the sampler, the watch on the clocks, the look for other labs."""

import threading
import time
from collections.abc import Callable, Collection
from typing import Any, Self

from poolbench.campaign.invoker import InvokeFailed, Invoker
from poolbench.function.clocks import now
from poolbench.model.header import Jump, SamplingTally
from poolbench.model.row import Instant
from poolbench.typed import build

INTERVAL_S = 0.25
SHORTEST_INTERVAL_S = 0.05
SLICE_S = 2.5  # how much of the series a crash can lose, and how long stopping can take
BEAT_S = 0.25
TOLERANCE_S = 0.5  # that a beat may be late, or that two clocks may differ over it
LOOK_EVERY_S = 5.0  # looking for other labs takes up to some milliseconds, between two invocations


def burst_interval_s(idle_client_timeout_s: float) -> float:
    """Short enough for a burst of some tenths of a second; longer where its rest is watched for long."""
    return min(INTERVAL_S, max(SHORTEST_INTERVAL_S, idle_client_timeout_s / 40))


class _Thread:
    """Context manager: runs `_run` on a thread of its own from entry to exit."""

    def __init__(self, name: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let what is under way end, then return."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        raise NotImplementedError


class Sampling(_Thread):
    """Keeps the sampler function running, slice after slice, on a thread that only waits for the function."""

    def __init__(
        self,
        invoker: Invoker,
        function: str,
        store_url: str,
        campaign: str,
        session: str,
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Write slices to `<campaign>/connections/<session>-<n>.jsonl`, and likewise `events`."""
        super().__init__("sampling")
        self.tally = SamplingTally()
        self._invoker, self._function = invoker, function
        self._store_url, self._campaign, self._session = store_url, campaign, session
        self._interval_s = interval_s
        self._next_event = 0

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            slice_name = f"{self._session}-{number:05d}"
            event = {
                "action": "sample",
                "duration_s": SLICE_S,
                "interval_s": self._interval_s,
                "store": self._store_url,
                "key": f"{self._campaign}/connections/{slice_name}.jsonl",
                "events_key": f"{self._campaign}/events/{slice_name}.jsonl",
                "events_from": self._next_event,
            }
            number += 1
            try:
                reply = self._invoker.invoke(self._function, event)
            except InvokeFailed as error:
                self._fail(str(error))
            else:
                if reply.report.function_error:
                    self._fail(f"{reply.report.function_error}: {reply.payload}")
                else:
                    self._add(reply.payload)

    def _add(self, counts: dict[str, Any]) -> None:
        self._next_event = counts.pop("next_event")
        new = build(SamplingTally, counts)
        for name in ("samples", "missed", "late", "events", "events_forgotten"):
            setattr(self.tally, name, getattr(self.tally, name) + getattr(new, name))

    def _fail(self, why: str) -> None:
        self.tally.failed_slices += 1
        self.tally.last_error = why
        self._stop.wait(SLICE_S)  # do not hammer what is broken


def jump_between(before: Instant, after: Instant) -> Jump | None:
    """Compare two readings that were to be BEAT_S apart; None if nothing happened to the clocks."""
    wall_s = (after.wall_ns - before.wall_ns) / 1e9
    monotonic_s = (after.monotonic_ns - before.monotonic_ns) / 1e9
    boottime_s = (after.boottime_ns - before.boottime_ns) / 1e9
    if all(abs(took_s - BEAT_S) <= TOLERANCE_S for took_s in (wall_s, monotonic_s, boottime_s)):
        return None
    return Jump(before.wall_ns, wall_s, monotonic_s, boottime_s)


class Watch(_Thread):
    """A heartbeat that notes when time jumped: the machine slept, or a clock was set."""

    def __init__(self, on_jump: Callable[[int, Jump], None] = lambda _number, _jump: None) -> None:
        """Nothing beats yet; `on_jump` is told each jump's number and the jump."""
        super().__init__("watch")
        self._on_jump = on_jump
        self._jumps: list[Jump] = []

    def jumps(self) -> tuple[Jump, ...]:
        """Those that were seen so far."""
        return tuple(self._jumps)

    def _run(self) -> None:
        before = now()
        while not self._stop.wait(BEAT_S):
            after = now()
            if jump := jump_between(before, after):
                self._on_jump(len(self._jumps), jump)
                self._jumps.append(jump)
                after = now()  # the time that this took is not a jump
            before = after


class OtherLabs:
    """Other labs on the machine, which take processor time from what is measured: all that were ever seen."""

    def __init__(self, find: Callable[[], Collection[int]]) -> None:
        """Look for the first time; `find` returns the processes that run other labs now."""
        self._find = find
        self._seen = set(find())
        self._next = time.monotonic() + LOOK_EVERY_S

    def look(self) -> None:
        """Look again, if it is time to."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LOOK_EVERY_S
            self._seen.update(self._find())

    def count(self) -> int:
        """How many there were, those that run now included."""
        self._seen.update(self._find())
        return len(self._seen)
