"""What one request costs on the wire and how it ends, against a real server that kills connections."""

import time
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text

from bench.function.record import Outcome
from bench.function.strategies import STRATEGIES
from bench.function.workload import WrongAnswer
from bench.lab.mysql import RunningServer
from tests.function.conftest import Client

Connect = Callable[..., Client]
POOLED = sorted(set(STRATEGIES) - {"nullpool"})


def kill_connection(server: RunningServer, client: Client) -> None:
    """End the client's pooled connection from the server's side, and wait until that has happened."""
    connection_id = client.request().seen.connection_id
    server.server.execute(f"KILL CONNECTION {connection_id}")
    listed = f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {connection_id}"
    while server.server.execute(listed) != [(0,)]:
        time.sleep(0.005)


# Rounds: SELECT and the pool's ROLLBACK; a ping where the strategy has one; NullPool's authentication, the
# driver's SET NAMES and SET AUTOCOMMIT, and SQLAlchemy's SET NAMES again.
@pytest.mark.parametrize(
    ("strategy", "commands"),
    [
        ("queuepool", 2),
        ("recycle", 2),
        ("recycle_late", 2),
        ("pre_ping", 3),
        ("recycle_pre_ping", 3),
        ("nullpool", 6),
    ],
)
def test_wire_commands_of_a_warm_request(connect: Connect, strategy: str, commands: int) -> None:
    client = connect(strategy)
    first = client.request()
    assert (first.seen.wire_commands, first.seen.connects) == (12, 1)
    for _ in range(3):
        warm = client.request()
        assert warm.outcome is Outcome.OK
        assert warm.seen.wire_commands == commands
        assert warm.seen.connects == (strategy == "nullpool")
        assert warm.seen.pings == ("pre_ping" in strategy)


@pytest.mark.parametrize("strategy", ["queuepool", "recycle", "recycle_late"])
def test_a_killed_connection_costs_one_request_and_the_next_reconnects(
    server: RunningServer, connect: Connect, strategy: str
) -> None:
    client = connect(strategy)
    kill_connection(server, client)
    lost = client.request()
    assert lost.outcome is Outcome.ERROR
    assert lost.failure is not None
    assert lost.failure.error_class == "pymysql.err.OperationalError"
    assert lost.failure.code in (2006, 2013)
    assert lost.failure.invalidated is True
    assert lost.failed_in == "execute"
    assert (lost.seen.connects, lost.seen.invalidations) == (0, 1)
    after = client.request()
    assert after.outcome is Outcome.RECONNECTED
    assert (after.seen.connects, after.seen.replacements) == (1, 1)
    assert client.request().outcome is Outcome.OK


@pytest.mark.parametrize("strategy", ["pre_ping", "recycle_pre_ping"])
def test_pre_ping_replaces_a_killed_connection_unseen(
    server: RunningServer, connect: Connect, strategy: str
) -> None:
    client = connect(strategy)
    kill_connection(server, client)
    survived = client.request()
    assert survived.outcome is Outcome.RECONNECTED
    seen = survived.seen
    # One failed ping; then authentication, three SETs, SELECT and ROLLBACK.
    assert (seen.pings, seen.invalidations, seen.connects, seen.wire_commands) == (1, 1, 1, 7)
    assert seen.ping_s is not None
    assert seen.connect_s is not None
    assert survived.checkout_s is not None
    assert seen.ping_s + seen.connect_s < survived.checkout_s


def test_nullpool_never_holds_a_connection_to_kill(connect: Connect) -> None:
    client = connect("nullpool")
    ids = {client.request().seen.connection_id for _ in range(3)}
    assert len(ids) == 3


def test_recycle_replaces_a_connection_older_than_its_share_of_the_timeout(connect: Connect) -> None:
    client = connect("recycle", timeout_s=0.5)
    client.request()
    assert client.request().seen.recycles == 0
    time.sleep(0.36)  # 0.7 x 0.5 s
    recycled = client.request()
    assert recycled.outcome is Outcome.RECONNECTED
    assert (recycled.seen.recycles, recycled.seen.invalidations, recycled.seen.connects) == (1, 0, 1)


@pytest.mark.parametrize("strategy", POOLED)
def test_the_idle_time_is_that_of_the_pooled_connection(connect: Connect, strategy: str) -> None:
    client = connect(strategy)
    assert client.request().seen.connection_idle_s is None
    time.sleep(0.05)
    idle = client.request().seen.connection_idle_s
    assert idle is not None
    assert idle >= 0.05


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_phases_add_up_to_the_latency(connect: Connect, strategy: str) -> None:
    client = connect(strategy)
    for _ in range(3):
        measured = client.request()
        phases = (measured.checkout_s, measured.execute_s, measured.reset_s)
        assert None not in phases
        assert sum(phase or 0.0 for phase in phases) == pytest.approx(measured.latency_s)


def test_an_answer_that_never_comes_is_a_hang_and_the_pool_recovers(connect: Connect) -> None:
    client = connect("queuepool")
    client.request()

    def silence(connection: Connection) -> None:
        connection.execute(text("SELECT SLEEP(30)"))

    began = time.monotonic()
    hung = client.request(silence, deadline_s=0.2)
    assert time.monotonic() - began < 10
    assert hung.outcome is Outcome.HANG
    assert hung.failure is not None
    assert hung.failure.code == 2013
    assert client.request().outcome is Outcome.RECONNECTED


def test_a_wrong_answer_is_an_error_on_a_healthy_connection(connect: Connect) -> None:
    client = connect("queuepool")

    def wrong(_connection: Connection) -> None:
        raise WrongAnswer("item 7: 'x' is not 'y'")

    measured = client.request(wrong)
    assert measured.outcome is Outcome.ERROR
    assert measured.failure is not None
    assert measured.failure.error_class == "bench.function.workload.WrongAnswer"
    assert measured.failure.invalidated is None
    assert client.request().outcome is Outcome.OK


def test_a_server_that_is_not_there_fails_in_checkout(connect: Connect) -> None:
    client = connect("queuepool")
    gone = Client("queuepool", client.engine.url.set(port=1), 1.0)
    measured = gone.request()
    assert (measured.outcome, measured.failed_in) == (Outcome.ERROR, "checkout")
    assert measured.failure is not None
    assert measured.failure.code == 2003
    assert measured.execute_s is None
    assert measured.seen.connects == 0
    assert measured.seen.connect_s is not None
