"""Keeps the sampler function running beside a campaign, slice after slice."""

import threading
from dataclasses import dataclass
from typing import Any

from poolbench.campaign.invoker import InvokeFailed, Invoker

INTERVAL_S = 0.25
SHORTEST_INTERVAL_S = 0.05
SLICE_S = 2.5  # how much of the series a crash can lose, and how long stopping can take


def burst_interval_s(idle_client_timeout_s: float) -> float:
    """Short enough for a burst of some tenths of a second; longer where its rest is watched for long."""
    return min(INTERVAL_S, max(SHORTEST_INTERVAL_S, idle_client_timeout_s / 40))


@dataclass(slots=True)
class Tally:
    """What became of the samples."""

    samples: int = 0
    missed: int = 0  # the server or the proxy did not answer
    late: int = 0  # taken after the next one was due
    failed_slices: int = 0
    events: int = 0  # of the lab's proxy
    events_forgotten: int = 0  # by the proxy, before they were asked for
    last_error: str | None = None


class Sampling:
    """Context manager: samples from entry to exit, on a thread that only waits for the function."""

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
        self.tally = Tally()
        self._invoker, self._function = invoker, function
        self._store_url, self._campaign, self._session = store_url, campaign, session
        self._interval_s = interval_s
        self._next_event = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampling", daemon=True)

    def __enter__(self) -> "Sampling":
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the running slice end, then return."""
        self._stop.set()
        self._thread.join()

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
                if reply.function_error:
                    self._fail(f"{reply.function_error}: {reply.payload}")
                else:
                    self._add(reply.payload)

    def _add(self, counts: dict[str, Any]) -> None:
        self.tally.samples += counts["samples"]
        self.tally.missed += counts["missed"]
        self.tally.late += counts["late"]
        self.tally.events += counts["events"]
        self.tally.events_forgotten += counts["events_forgotten"]
        self._next_event = counts["next_event"]

    def _fail(self, why: str) -> None:
        self.tally.failed_slices += 1
        self.tally.last_error = why
        self._stop.wait(SLICE_S)  # do not hammer what is broken
