"""Rounds of a benchmark interleaved with rounds of its reference."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import URL

from bench.micro.wire import CommandCounter

ROUNDS, WARMUP_ROUNDS = 300, 10  # both even: the order alternates

Action = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured, made for one server.

    Attributes:
        action: the timed part.
        before: run before each round, outside of the timed part.

    """

    action: Action
    before: Action = lambda: None


class Paired:
    """Runs a case under pytest-benchmark and, next to each of its rounds, one of a reference, timed as well.

    The reference comes first in every other round and last in those between: what the second of two owes to
    the first (caches, a server that is still closing a connection) then falls on both alike.
    """

    def __init__(
        self, benchmark: BenchmarkFixture, server: URL, counter: CommandCounter, rounds: int | None
    ) -> None:
        """Prepare.

        Args:
            benchmark: pytest-benchmark's fixture.
            server: where cases are measured.
            counter: relays to `server`.
            rounds: of each benchmark, whatever it asks for.

        """
        self._benchmark: Any = benchmark  # its methods have no types
        self._server, self._counter, self._rounds = server, counter, rounds

    def __call__(
        self,
        make: Callable[[URL], Case],
        *,
        reference: Action,
        at: URL | None = None,
        rounds: int = ROUNDS,
        **info: object,
    ) -> None:
        """Measure, and count wire commands in rounds of their own.

        Args:
            make: makes the case for a server.
            reference: what it is compared with; its times, in seconds and in round order, go to
                `extra_info["reference_s"]`. It comes first in rounds 0, 2, 4, ...
            at: where to measure, if not at the server itself.
            rounds: how many.
            info: for `extra_info`.

        """
        times: list[float] = []
        leads = False
        case = make(at or self._server)

        def time_reference() -> None:
            began = time.perf_counter()
            reference()
            times.append(time.perf_counter() - began)

        def setup() -> None:
            nonlocal leads
            leads = not leads
            case.before()
            if leads:
                time_reference()

        def teardown() -> None:
            if not leads:
                time_reference()

        self._benchmark.extra_info |= info | {"wire_commands": self._count(make(self._counter.before(self._server)))}
        gc.collect()
        gc.disable()
        try:
            self._benchmark.pedantic(
                case.action,
                setup=setup,
                teardown=teardown,
                rounds=self._rounds or rounds,
                warmup_rounds=WARMUP_ROUNDS,
            )
        finally:
            gc.enable()
        self._benchmark.extra_info["reference_s"] = times[WARMUP_ROUNDS:]

    def _count(self, case: Case) -> int | None:
        """Commands of one warm round; None where TLS hides them."""
        case.before()
        case.action()
        case.before()
        commands, encrypted = self._counter.count()
        case.action()
        commands_after, encrypted_after = self._counter.count()
        return None if encrypted_after > encrypted else commands_after - commands
