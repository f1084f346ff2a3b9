"""Threads on one engine, against a real server: what each of them opened, waited for and was told."""

import time
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import URL, Connection, Engine, create_engine, text

from poolbench.function.client import Client
from poolbench.function.deadline import Patience
from poolbench.function.measure import Measurement, hold, take_part
from poolbench.function.strategies import Setting, Strategy
from poolbench.function.workload import Workload, point_select, slow
from poolbench.lab.mysql import RunningServer
from poolbench.model.invocation import BurstPart
from poolbench.model.row import Failure, Outcome
from tests.function.conftest import Application, silence

pytestmark = pytest.mark.any_server
Connect = Callable[..., Application]


def burst(
    client: Client, threads: int, workload: Workload = slow, requests: int = 2, deadline_s: float = 20.0
) -> list[Measurement]:
    """All requests of a burst that begins at once."""
    together = BurstPart(start_wall_ns=time.time_ns() + 20_000_000, threads=threads, think_s=0.0)
    return [
        measured
        for of_thread in take_part(together, client, workload, requests, deadline_s)
        for measured in of_thread
    ]


def connections(server: RunningServer) -> int:
    ((count,),) = server.server.execute(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'function_tests'"
    )
    return int(count)


def quiet(server: RunningServer) -> int:
    """How many connections other tests have left, once none of those is being closed any more."""
    before, now = -1, connections(server)
    while before != now:
        time.sleep(0.05)
        before, now = now, connections(server)
    return now


def settled(server: RunningServer, expected: int) -> int:
    """How many connections there are, once the server has noticed which were closed."""
    deadline = time.monotonic() + 10
    while (count := connections(server)) != expected and time.monotonic() < deadline:
        time.sleep(0.01)
    return count


def for_half_a_second(connection: Connection) -> None:
    connection.execute(text("SELECT SLEEP(0.5)"))


def outcomes(measured: Sequence[Measurement]) -> set[Outcome]:
    return {one.outcome for one in measured}


def test_a_pool_keeps_its_size_and_closes_its_overflow(server: RunningServer, connect: Connect) -> None:
    before = quiet(server)
    client = connect("queuepool")
    measured = burst(client, threads=12)
    assert len(measured) == 24
    # Overflow that is opened again is no connection that was lost.
    assert outcomes(measured) == {Outcome.OK}
    assert sum(one.seen.connects for one in measured) >= 12
    assert settled(server, before + 5) == before + 5
    client.close()
    assert settled(server, before) == before


def test_no_pool_leaves_no_connection(server: RunningServer, connect: Connect) -> None:
    before = quiet(server)
    measured = burst(connect("nullpool"), threads=12)
    assert [one.seen.connects for one in measured] == [1] * 24
    assert settled(server, before) == before


def test_commands_are_counted_for_the_thread_that_sent_them(connect: Connect) -> None:
    client = connect("nullpool")
    client.request()  # whose engine asks the server its questions once
    measured = burst(client, threads=8, workload=point_select, requests=5)
    assert {one.seen.wire_commands for one in measured} == {6}


def test_threads_wait_for_the_one_connection_of_the_sample(connect: Connect) -> None:
    client = connect("aws_sample")
    client.request()
    measured = burst(client, threads=4, requests=1)
    assert outcomes(measured) == {Outcome.OK}
    assert {one.seen.connects for one in measured} == {0}
    assert len({one.seen.connection_id for one in measured}) == 1
    waits = sorted(one.phases.checkout_s or 0.0 for one in measured)
    assert waits[-1] > 3 * 0.045  # three statements of 50 ms came first


def test_more_threads_than_the_pool_has_places_are_told_of_its_limit(database: URL) -> None:
    def two_at_most(url: URL) -> Engine:
        return create_engine(url, pool_size=1, max_overflow=1, pool_timeout=0.01)

    strategy = Strategy(name="two", purpose="", price="", fails="", factory=two_at_most)
    client = Client(strategy, Setting(url=database, idle_client_timeout_s=1.0, label="two"))
    measured = burst(client, threads=6, workload=for_half_a_second, requests=1)
    client.close()
    lost = [one for one in measured if one.outcome is Outcome.ERROR]
    assert len(lost) == 4
    for one in lost:
        assert one.failure.error_message is not None
        assert one.failure.error_class == "sqlalchemy.exc.TimeoutError"
        assert one.failure.error_message.startswith("QueuePool limit of size 1 overflow 1 reached")
        assert one.phases.error_phase == "checkout"


def test_a_thread_beyond_its_deadline_hangs_and_cuts_nobody_off(connect: Connect) -> None:
    measured = burst(connect("queuepool"), threads=3, requests=1, deadline_s=0.01)
    assert outcomes(measured) == {Outcome.HANG}
    assert {one.failure for one in measured} == {Failure()}  # the answer came, too late


def test_one_thread_alone_is_the_main_one_and_is_cut_off_at_its_deadline(connect: Connect) -> None:
    (measured,) = burst(connect("queuepool"), threads=1, workload=silence, requests=1, deadline_s=0.2)
    assert measured.outcome is Outcome.HANG
    assert measured.failure.error_class is not None


def test_nobody_begins_before_the_moment_and_none_waits_for_one_that_has_passed(connect: Connect) -> None:
    client = connect("queuepool")
    together = BurstPart(start_wall_ns=time.time_ns() + 200_000_000, threads=3, think_s=0.0)
    measured = [one for each in take_part(together, client, point_select, 1, 5.0) for one in each]
    assert min(one.started.wall_ns for one in measured) >= together.start_wall_ns
    began = time.monotonic()
    hold(time.time_ns() - 3_600_000_000_000)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(("seconds", "passed"), [(60.0, False), (0.0, True)])
def test_patience_tells_whether_time_is_up(seconds: float, passed: bool) -> None:
    patience = Patience()
    patience.start(seconds)
    time.sleep(0.001)
    patience.stop()
    assert patience.passed is passed
