"""Requests that many environments, and many threads in each, send at the same time."""

import random
import threading
import time
from collections.abc import Sequence

from poolbench.function.client import Client
from poolbench.function.measure import Measurement, measure
from poolbench.function.workload import Workload
from poolbench.model.invocation import BurstPart


def hold(until_wall_ns: int) -> None:
    """Return at that time; at once if it has passed."""
    time.sleep(max(0.0, (until_wall_ns - time.time_ns()) / 1e9))


def take_part(
    burst: BurstPart, client: Client, workload: Workload, requests: int, deadline_s: float
) -> Sequence[Sequence[Measurement]]:
    """Send `requests` one after the other on each thread; what each thread measured.

    A closed loop: no thread sends a request before its last one is answered, so a server that is slow is
    asked less often. With one thread it is the main one, as in any handler.
    """
    if burst.threads == 1:
        hold(burst.start_wall_ns)
        return [_loop(burst, client, workload, requests, deadline_s)]
    client.settle()  # once, not on each thread
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 (most functions never need it)

    together = threading.Barrier(burst.threads)

    def begin(_number: int) -> Sequence[Measurement]:
        together.wait()  # also keeps a thread of the executor from taking two parts
        hold(burst.start_wall_ns)
        return _loop(burst, client.on_thread(), workload, requests, deadline_s)

    with ThreadPoolExecutor(burst.threads) as threads:
        return list(threads.map(begin, range(burst.threads)))


def _loop(
    burst: BurstPart, client: Client, workload: Workload, requests: int, deadline_s: float
) -> Sequence[Measurement]:
    measured = []
    for _ in range(requests):
        time.sleep(random.uniform(0, 2 * burst.think_s))
        measured.append(measure(client, workload, deadline_s))
    return measured
