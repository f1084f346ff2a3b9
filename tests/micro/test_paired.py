"""The order in which things are measured."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import URL

from micro.cases import Case, Make
from micro.paired import CONNECTIONS, WARM_UP, PairedBenchmark
from micro.wire import CommandCounter

NOWHERE = URL.create("mysql+pymysql", host="127.0.0.1", port=1)


class Diary:
    """What happened, in order: opened, before, done, closed, of each of two cases."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def make(self, name: str) -> Make:
        @contextmanager
        def case(_at: URL) -> Iterator[Case]:
            self.entries.append(f"open {name}")
            try:
                yield Case(lambda: self.entries.append(name), lambda: self.entries.append(f"before {name}"))
            finally:
                self.entries.append(f"close {name}")

        return case


@pytest.fixture
def unlisted(benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch) -> BenchmarkFixture:
    """pytest-benchmark's fixture, whose figures are nobody's concern here: they stay out of its tables."""
    monkeypatch.setattr(benchmark, "_add_stats", lambda _stats: None)
    return benchmark


@pytest.fixture
def diary(unlisted: BenchmarkFixture) -> list[str]:
    """Twice as many rounds as connections, from the first connection on."""
    found = Diary()
    with CommandCounter(NOWHERE) as counter:
        measure = PairedBenchmark(unlisted, NOWHERE, counter, 2 * CONNECTIONS)
        measure(found.make("case"), reference=found.make("reference"))
    counted = found.entries.index("close case") + 1
    return found.entries[counted:]


def test_case_and_reference_take_turns_in_going_first(diary: list[str]) -> None:
    warm = ["before case", "case", "before reference", "reference"] * WARM_UP
    first = ["before reference", "reference", "before case", "case"]
    last = ["before case", "case", "before reference", "reference"]
    pair = ["open case", "open reference", *warm, *first, *last, "close reference", "close case"]
    assert diary == pair * CONNECTIONS


def test_the_saved_times_say_how_they_belong_together(unlisted: BenchmarkFixture, diary: list[str]) -> None:
    info = unlisted.extra_info
    assert info["rounds_per_connection"] == 2
    assert len(info["reference_s"]) == diary.count("reference") - CONNECTIONS * WARM_UP == 2 * CONNECTIONS
    assert info["wire_commands"] == 0


def test_no_garbage_is_collected_meanwhile_and_it_is_afterwards(unlisted: BenchmarkFixture) -> None:
    seen: list[bool] = []

    @contextmanager
    def case(_at: URL) -> Iterator[Case]:
        yield Case(lambda: seen.append(gc.isenabled()))

    with CommandCounter(NOWHERE) as counter:
        PairedBenchmark(unlisted, NOWHERE, counter, 4)(case, reference=case)
    counting, measuring = seen[:2], seen[2:]
    assert all(counting)
    assert not any(measuring)
    assert gc.isenabled()


def test_a_failing_case_is_closed_and_garbage_collected_again(unlisted: BenchmarkFixture) -> None:
    diary = Diary()

    @contextmanager
    def failing(at: URL) -> Iterator[Case]:
        results = [None, None]
        with diary.make("failing")(at):
            yield Case(results.pop)

    with CommandCounter(NOWHERE) as counter, pytest.raises(IndexError):
        PairedBenchmark(unlisted, NOWHERE, counter, 4)(failing, reference=diary.make("reference"))
    assert gc.isenabled()
    assert diary.entries[-2:] == ["close reference", "close failing"]
