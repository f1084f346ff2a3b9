"""Rounds of a benchmark interleaved with rounds of its reference."""

import gc
import time
from collections.abc import Callable
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS, WARMUP_ROUNDS = 300, 10

Action = Callable[[], Any]


class Paired:
    """Runs `action` under pytest-benchmark, and `reference` before each of its rounds, timed as well."""

    def __init__(self, benchmark: BenchmarkFixture, rounds: int = ROUNDS) -> None:
        self._benchmark: Any = benchmark  # its methods have no types
        self._rounds = rounds

    def __call__(
        self,
        action: Action,
        *,
        reference: Action,
        before: Action | None = None,
        rounds: int | None = None,
        **info: Any,
    ) -> None:
        """Measure.

        Args:
            action: what is measured.
            reference: what it is compared with; its times go to `extra_info["reference_s"]`, in round order.
            before: run before each round of `action`, outside of the timed part.
            rounds: how many, if not the usual number.
            info: for `extra_info`.

        """
        times: list[float] = []

        def setup() -> None:
            began = time.perf_counter()
            reference()
            times.append(time.perf_counter() - began)
            if before is not None:
                before()

        gc.collect()
        gc.disable()
        try:
            self._benchmark.pedantic(
                action, setup=setup, rounds=rounds or self._rounds, warmup_rounds=WARMUP_ROUNDS
            )
        finally:
            gc.enable()
        self._benchmark.extra_info.update(info)
        self._benchmark.extra_info["reference_s"] = times[WARMUP_ROUNDS:]
