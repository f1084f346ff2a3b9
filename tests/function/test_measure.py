"""What one request costs on the wire and how it ends, against a real server that kills connections."""

import time
from collections.abc import Callable

import pytest
from sqlalchemy import Connection

from poolbench.function.strategies import STRATEGIES
from poolbench.function.workload import WrongAnswer
from poolbench.lab.mysql import RunningServer
from poolbench.model.row import Failure, Outcome
from tests.function.conftest import IDLE_CLIENT_TIMEOUT_S, Application, silence
from tests.users import wait_for

Connect = Callable[..., Application]
LetPass = Callable[[float], None]
# Those that come in with tokens have tests of their own: the server itself takes none.
PASSWORD = sorted(name for name, strategy in STRATEGIES.items() if strategy.token is None)
POOLED = sorted(set(PASSWORD) - {"nullpool", "nullpool_default_tls", "held"})
PINGING = ("pre_ping", "recycle_pre_ping", "aws_sample", "pre_ping_read_timeout")
LOSING = (
    "queuepool",
    "recycle",
    "recycle_late",
    "lifo",
    "static",
    "autocommit",
    "no_reset",
    "keepalive",
    "held",
)


@pytest.fixture
def let_pass(monkeypatch: pytest.MonkeyPatch) -> LetPass:
    """Set the clock forward by which pools and listeners tell a connection's age, instead of waiting."""
    wall, passed = time.time, list[float]()
    monkeypatch.setattr(time, "time", lambda: wall() + sum(passed))
    return passed.append


def kill_connection(server: RunningServer, client: Application) -> None:
    """End the client's pooled connection from the server's side, and wait until that has happened."""
    connection_id = client.request().seen.connection_id
    server.server.execute(f"KILL CONNECTION {connection_id}")
    wait_until_gone(server, connection_id)


def wait_until_gone(server: RunningServer, connection_id: int | None) -> None:
    listed = f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {connection_id}"
    wait_for(lambda: server.server.execute(listed) == [(0,)])


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
        ("nullpool_default_tls", 6),
        ("lifo", 2),
        ("static", 2),
        ("aws_sample", 3),
        ("pre_ping_read_timeout", 3),
        ("idle_ping", 2),
        ("idle_recycle", 2),
        ("retry_once", 2),
        ("dispose_on_thaw", 2),
        ("autocommit", 1),
        ("no_reset", 2),
        ("keepalive", 2),
        ("held", 2),
    ],
)
def test_wire_commands_of_a_warm_request(connect: Connect, strategy: str, commands: int) -> None:
    client = connect(strategy)
    first = client.request()
    assert first.seen.connects == 1
    for _ in range(3):
        warm = client.request()
        assert warm.outcome is Outcome.OK
        assert warm.seen.wire_commands == commands
        assert warm.seen.connects == strategy.startswith("nullpool")
        assert warm.seen.pings == (strategy in PINGING)


# Authentication, the driver's SET NAMES and SET AUTOCOMMIT, SQLAlchemy's SET NAMES, its four questions and
# the end of their transaction, then SELECT and ROLLBACK.
def test_the_first_request_of_an_engine_takes_twelve_commands(connect: Connect) -> None:
    assert connect("queuepool").request().seen.wire_commands == 12


def test_a_new_engine_asks_its_questions_again_in_each_invocation(connect: Connect) -> None:
    client = connect("engine_per_invocation")
    engines = []
    for _ in range(2):
        client.begin(None)
        assert [client.request().seen.wire_commands for _ in range(2)] == [12, 2]
        engines.append(client.engine)
        client.end()
        assert client.engine is engines[-1]  # whoever asks first waits for the new one
    assert len(set(engines)) == 2


def test_disposing_at_the_end_reconnects_once_for_each_invocation(connect: Connect) -> None:
    client = connect("dispose_per_invocation")
    client.request()
    client.end()
    for _ in range(2):
        client.begin(None)
        assert [client.request().seen.wire_commands for _ in range(2)] == [6, 2]
        client.end()


def test_disposing_on_thaw_reconnects_after_a_long_gap_only(connect: Connect) -> None:
    client = connect("dispose_on_thaw")
    client.request()
    client.begin(0.69 * IDLE_CLIENT_TIMEOUT_S)
    assert client.request().seen.connects == 0
    client.begin(0.71 * IDLE_CLIENT_TIMEOUT_S)
    thawed = client.request()
    assert (thawed.outcome, thawed.seen.connects) == (Outcome.RECONNECTED, 1)
    # Whoever asks first waits for it, so it is part of what is measured.
    assert thawed.seen.recycles == 1
    assert thawed.seen.connection_idle_s is not None


@pytest.mark.parametrize("strategy", PASSWORD)
def test_a_client_that_is_closed_leaves_no_connection_and_waits_for_no_answer(
    server: RunningServer, connect: Connect, strategy: str
) -> None:
    client = connect(strategy)
    connection_id = client.request().seen.connection_id
    client.probe.begin()
    client.close()
    assert client.probe.end().wire_commands == 0
    wait_until_gone(server, connection_id)


@pytest.mark.parametrize("strategy", LOSING)
def test_a_killed_connection_costs_one_request_and_the_next_reconnects(
    server: RunningServer, connect: Connect, strategy: str
) -> None:
    client = connect(strategy)
    kill_connection(server, client)
    lost = client.request()
    assert lost.outcome is Outcome.ERROR
    assert lost.failure != Failure()
    assert lost.failure.error_class == "pymysql.err.OperationalError"
    assert lost.failure.error_code in (2006, 2013)
    assert lost.failure.connection_invalidated is True
    assert lost.phases.error_phase == "execute"
    assert (lost.seen.connects, lost.seen.invalidations) == (0, 1)
    after = client.request()
    assert after.outcome is Outcome.RECONNECTED
    assert (after.seen.connects, after.seen.replacements) == (1, 1)
    assert client.request().outcome is Outcome.OK


@pytest.mark.parametrize("strategy", PINGING)
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
    assert survived.phases.checkout_s is not None
    assert seen.ping_s + seen.connect_s < survived.phases.checkout_s


def test_a_retry_hides_the_lost_request_and_pays_for_it(server: RunningServer, connect: Connect) -> None:
    client = connect("retry_once")
    kill_connection(server, client)
    retried = client.request()
    assert retried.outcome is Outcome.RECONNECTED
    # The lost SELECT; then authentication, three SETs, SELECT and ROLLBACK.
    assert (retried.seen.invalidations, retried.seen.connects, retried.seen.wire_commands) == (1, 1, 7)


def test_a_wrong_answer_is_not_retried(connect: Connect) -> None:
    sent = []

    def wrong(_connection: Connection) -> None:
        sent.append(1)
        raise WrongAnswer("item 7: 'x' is not 'y'")

    assert connect("retry_once").request(wrong).outcome is Outcome.ERROR
    assert sent == [1]


@pytest.mark.parametrize(
    ("strategy", "short_idle", "long_idle"), [("idle_ping", (0, 0), (1, 0)), ("idle_recycle", (0, 0), (0, 1))]
)
def test_idle_strategies_act_on_idle_connections_only(
    connect: Connect,
    let_pass: LetPass,
    strategy: str,
    short_idle: tuple[int, int],
    long_idle: tuple[int, int],
) -> None:
    client = connect(strategy)
    client.request()
    for _ in range(3):  # alive for longer than the threshold, and never idle for that long
        let_pass(0.4 * IDLE_CLIENT_TIMEOUT_S)
        busy = client.request().seen
        assert (busy.pings, busy.connects) == short_idle
    let_pass(0.8 * IDLE_CLIENT_TIMEOUT_S)
    idle = client.request().seen
    assert (idle.pings, idle.connects) == long_idle


def test_idle_ping_replaces_a_killed_connection_that_was_idle(
    server: RunningServer, connect: Connect, let_pass: LetPass
) -> None:
    client = connect("idle_ping")
    kill_connection(server, client)
    let_pass(0.6 * IDLE_CLIENT_TIMEOUT_S)
    survived = client.request()
    assert survived.outcome is Outcome.RECONNECTED
    assert (survived.seen.pings, survived.seen.connects) == (1, 1)


def test_nullpool_never_holds_a_connection(connect: Connect) -> None:
    client = connect("nullpool")
    seen = [client.request().seen for _ in range(3)]
    assert len({each.connection_id for each in seen}) == 3
    assert {each.connection_idle_s for each in seen} == {None}
    assert {(each.recycles, each.replacements) for each in seen} == {(0, 0)}


def test_recycle_replaces_a_connection_older_than_its_share_of_the_timeout(
    connect: Connect, let_pass: LetPass
) -> None:
    client = connect("recycle")
    client.request()
    let_pass(0.65 * IDLE_CLIENT_TIMEOUT_S)
    assert client.request().seen.recycles == 0
    let_pass(0.1 * IDLE_CLIENT_TIMEOUT_S)  # together more than 0.7
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


@pytest.mark.parametrize("strategy", PASSWORD)
def test_phases_make_up_the_latency(connect: Connect, strategy: str) -> None:
    client = connect(strategy)
    shares = []
    for _ in range(5):
        measured = client.request()
        spent = measured.phases
        phases = (spent.checkout_s, spent.execute_s, spent.reset_s)
        assert None not in phases
        shares.append(sum(phase or 0.0 for phase in phases) / measured.latency_s)
    # The rest is the loop around them; half is far more than it takes, unless somebody else has the CPU then.
    assert 0.5 < max(shares) <= 1


def test_an_answer_that_never_comes_is_a_hang_and_the_pool_recovers(connect: Connect) -> None:
    client = connect("queuepool")
    client.request()
    began = time.monotonic()
    hung = client.request(silence, deadline_s=0.2)
    assert time.monotonic() - began < 30
    assert hung.outcome is Outcome.HANG
    assert hung.failure != Failure()
    assert hung.failure.error_code == 2013
    assert client.request().outcome is Outcome.RECONNECTED


def test_a_wrong_answer_is_an_error_on_a_healthy_connection(connect: Connect) -> None:
    client = connect("queuepool")

    def wrong(_connection: Connection) -> None:
        raise WrongAnswer("item 7: 'x' is not 'y'")

    measured = client.request(wrong)
    assert measured.outcome is Outcome.ERROR
    assert measured.failure != Failure()
    assert measured.failure.error_class == "poolbench.function.workload.WrongAnswer"
    assert measured.failure.connection_invalidated is None
    assert client.request().outcome is Outcome.OK


def test_a_server_that_is_not_there_fails_in_checkout(connect: Connect) -> None:
    client = connect("queuepool")
    gone = Application("queuepool", client.engine.url.set(port=1), 1.0)
    measured = gone.request()
    assert (measured.outcome, measured.phases.error_phase) == (Outcome.ERROR, "checkout")
    assert measured.failure != Failure()
    assert measured.failure.error_code == 2003
    assert measured.phases.execute_s is None
    assert measured.seen.connects == 0
    assert measured.seen.connect_s is not None
