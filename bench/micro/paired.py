"""Rounds of a benchmark interleaved with rounds of its reference, on many connections."""

import gc
import itertools
import time
from contextlib import ExitStack
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import URL

from micro.cases import Case, Make
from micro.wire import CommandCounter

ROUNDS = 400  # the upper bound of p99 takes 368
CONNECTIONS = 20
WARM_UP = 3  # rounds on each new connection


class PairedBenchmark:
    """Runs a case under pytest-benchmark and, next to each of its rounds, one of a reference, timed as well.

    The reference comes first in every other round and last in those between: what the second of two owes to
    the first (cold caches, a server that is still closing a connection) then falls on both alike. An untimed
    round before each timed one does not do away with it, and adds a bias of its own, as pytest-benchmark's
    code runs between the two on one side only.

    Case and reference are made anew, with new connections, CONNECTIONS times. Where the kernel runs the
    server's thread of a connection can change a ping sixfold and stays as it is for long, so rounds on one
    connection say little about the next, and only the number of connections makes an interval honest.
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
        make: Make,
        *,
        reference: Make,
        at: URL | None = None,
        reference_at: URL | None = None,
        rounds: int = ROUNDS,
        **info: object,
    ) -> None:
        """Measure, and count wire commands in a round of its own.

        `extra_info["reference_s"]` gets the reference's times, in seconds and in round order, of which those
        of rounds 0, 2, 4, ... came first; `extra_info["rounds_per_connection"]` says how they are grouped.

        Args:
            make: makes the case for a server.
            reference: makes what it is compared with.
            at: where to measure, if not at the server itself.
            reference_at: where to measure the reference, if not at the server itself.
            rounds: how many.
            info: for `extra_info`.

        """
        rounds = self._rounds or rounds
        per_connection = max(1, rounds // CONNECTIONS)
        self._benchmark.extra_info |= info | {
            "wire_commands": self._count(make),
            "rounds_per_connection": per_connection,
        }
        times: list[float] = []
        numbers = itertools.count()
        leads = False
        with ExitStack() as opened:
            case = other = Case(lambda: None)

            def act() -> None:
                case.action()

            def act_as_reference() -> None:  # as many calls deep as the other
                other.action()

            def time_reference() -> None:
                other.before()
                began = time.perf_counter()
                act_as_reference()
                times.append(time.perf_counter() - began)

            def setup() -> None:
                nonlocal case, other, leads
                number = next(numbers)
                if number % per_connection == 0:
                    opened.close()
                    case = opened.enter_context(make(at or self._server))
                    other = opened.enter_context(reference(reference_at or self._server))
                    for one in (case, other) * WARM_UP:
                        one.before()
                        one.action()
                leads = number % 2 == 0
                if leads:
                    time_reference()
                case.before()

            def teardown() -> None:
                if not leads:
                    time_reference()

            gc.collect()
            gc.disable()
            try:
                self._benchmark.pedantic(act, setup=setup, teardown=teardown, rounds=rounds)
            finally:
                gc.enable()
        self._benchmark.extra_info["reference_s"] = times

    def _count(self, make: Make) -> int | None:
        """Commands of a warm round; None where TLS hides them."""
        with make(self._counter.before(self._server)) as case:
            case.before()
            case.action()
            case.before()
            before, encrypted_before = self._counter.count()
            case.action()
            after, encrypted_after = self._counter.count()
        return after - before if encrypted_after == encrypted_before else None
