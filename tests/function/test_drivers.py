"""Every driver with the same strategies: what each sends, and what each makes of a connection that died.

Through the lab's proxy, which counts what arrives; a driver that is not installed is skipped by name.
"""

import gc
import secrets
import ssl
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from sqlalchemy import URL, NullPool, create_engine

from poolbench.function.client import Client
from poolbench.function.drivers import DRIVERS, Authority, Driver, Loop, UnknownDriver
from poolbench.function.drivers import get as get_driver
from poolbench.function.measure import Measurement, measure
from poolbench.function.probe import count_commands
from poolbench.function.strategies import REFERENCE, STRATEGIES, Setting, Strategy, get, misfit
from poolbench.function.workload import WORKLOADS, point_select, seed
from poolbench.lab import libraries
from poolbench.lab.mysql import RunningServer, create_users
from poolbench.lab.proxy import Backend, Port, ProxyFault, ProxySettings, RunningProxy, running_proxy
from poolbench.model.row import Outcome

# Connections whose event loop has gone cannot be closed, and complain of it when they are collected.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
USER = "driver_tests"
TIMEOUT_S = 1.0  # the shortest there is
NEVER, BY_CLOSE, BY_ERROR, BY_RESET = "never", "idle_close", "idle_error", "idle_reset"


@pytest.fixture(scope="session", autouse=True)
def mysqlclient(monkeypatch_session: pytest.MonkeyPatch) -> None:
    """Find mysqlclient where `poolbench lab install-mysqlclient` put it."""
    if made := libraries.mysqlclient():
        monkeypatch_session.setattr(sys, "path", [*sys.path, str(made)])
    if plugins := libraries.mysqlclient_plugins():
        monkeypatch_session.setenv("MARIADB_PLUGIN_DIR", str(plugins))


@pytest.fixture(scope="session")
def monkeypatch_session() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect what was left behind while its warnings are expected."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture(params=sorted(DRIVERS))
def driver(request: pytest.FixtureRequest, mysqlclient: None) -> Driver:
    found = DRIVERS[request.param]
    if not found.installed:
        pytest.skip(f"{found.package} is not installed")
    return found


@pytest.fixture(scope="module")
def proxies(
    server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], tuple[RunningProxy, URL]]]:
    """One proxy that never closes idle clients, and one whose ports each do it in another way."""
    found, password = server.server, secrets.token_urlsafe(12)
    create_users(found, USER, {USER: password})
    backend = Backend(host=found.host, port=found.port, user=USER, password=password)
    prepared = partial(running_proxy, backend=backend, accounts={USER: password})
    direct = URL.create("mysql+pymysql", USER, password, found.host, found.port, USER)
    seed(create_engine(direct, connect_args={"ssl_disabled": True}))
    listeners = {name: Port(failure=ProxyFault(name)) for name in (BY_CLOSE, BY_ERROR, BY_RESET)}
    with (
        prepared(ProxySettings(), work_dir=tmp_path_factory.mktemp("never")) as never,
        prepared(
            ProxySettings(idle_client_timeout=TIMEOUT_S),
            work_dir=tmp_path_factory.mktemp("dies"),
            listeners=listeners,
        ) as dies,
    ):
        count_commands()

        def at(way: str) -> tuple[RunningProxy, URL]:
            running = never if way == NEVER else dies
            port = running.port if way == NEVER else running.ports[way]
            return running, direct.set(host=running.host, port=port)

        yield at


class Application:
    """A client of a strategy on a driver; each call is an invocation of its own."""

    def __init__(
        self, strategy: str, driver: Driver, at: tuple[RunningProxy, URL], *, tls: bool = False
    ) -> None:
        proxy, url = at
        setting = Setting(
            url=url.set(drivername=driver.scheme),
            idle_client_timeout_s=TIMEOUT_S,
            label=strategy,
            driver=driver,
            tls=Authority(ssl.create_default_context(cafile=proxy.authority), str(proxy.authority))
            if tls
            else None,
        )
        self.driver = driver
        self.client = Client(get(strategy), setting, lambda: int(proxy.metrics()["ClientCommands"]))

    def invoke(self, requests: int = 1, workload: str = point_select.__name__) -> list[Measurement]:
        def work() -> list[Measurement]:
            found = [measure(self.client, WORKLOADS[workload], 5.0) for _ in range(requests)]
            self.client.end()
            return found

        return self.driver.run(work)

    def close(self) -> None:
        self.driver.run(self.client.engine.dispose)


# Commands of a warm request, of one with a ping before it, of one that connects, of one without a ROLLBACK.
# One that connects begins with the authentication and the session setup of the driver and of SQLAlchemy.
WIRE = {
    "pymysql": {"warm": 2, "ping": 3, "connect": 6, "autocommit": 1},
    "mysqlclient": {"warm": 2, "ping": 3, "connect": 6, "autocommit": 1},
    # It pings for each cursor and, without its C extension, asks for the autocommit mode that it has set.
    "mysqlconnector": {"warm": 3, "ping": 4, "connect": 6, "autocommit": 3},
    "mysqlconnector_pure": {"warm": 3, "ping": 4, "connect": 8, "autocommit": 4},
    "asyncmy": {"warm": 2, "ping": 3, "connect": 5, "autocommit": 1},
    "asyncmy_run": {"warm": 2, "ping": 3, "connect": 5, "autocommit": 1},
    "aiomysql": {"warm": 2, "ping": 3, "connect": 5, "autocommit": 1},
    "aiomysql_run": {"warm": 2, "ping": 3, "connect": 5, "autocommit": 1},
}
AFTER_THE_FACT = ("pre_ping", "retry_once")  # they see that the connection died, recycle never looks


def kind_of(strategy: Strategy) -> str:
    """Which of these a warm request costs, by what its engine is made of."""
    if strategy.engine.get("poolclass") is NullPool:
        return "connect"
    if strategy.engine.get("isolation_level") == "AUTOCOMMIT":
        return "autocommit"
    return (
        "ping" if strategy.engine.get("pool_pre_ping") and not strategy.conduct.holds_connection else "warm"
    )


@pytest.mark.any_server
def test_wire_commands_of_each_strategy_with_each_driver(
    driver: Driver, proxies: Callable[[str], tuple[RunningProxy, URL]]
) -> None:
    seen, expected = {}, {}
    for strategy, entry in STRATEGIES.items():
        if entry.token or misfit(entry, driver):
            continue
        application = Application(strategy, driver, proxies(NEVER))
        warm = application.invoke(4)[1:]
        assert {request.outcome for request in warm} == {Outcome.OK}, strategy
        if not entry.conduct.holds_connection:
            assert all(request.seen.connection_id for request in warm)
        seen[strategy] = {request.seen.wire_commands for request in warm}
        expected[strategy] = {WIRE[driver.name][kind_of(entry)]}
        application.close()
    assert seen == expected


@pytest.mark.parametrize("workload", sorted(WORKLOADS))
def test_every_workload_gets_the_right_answers_with_every_driver(
    driver: Driver, proxies: Callable[[str], tuple[RunningProxy, URL]], workload: str
) -> None:
    application = Application("queuepool", driver, proxies(NEVER))
    assert [request.outcome for request in application.invoke(2, workload)] == [Outcome.OK, Outcome.OK]
    application.close()


@pytest.mark.any_server
@pytest.mark.slow
@pytest.mark.parametrize("way", [BY_CLOSE, BY_ERROR, BY_RESET])
def test_what_each_driver_makes_of_a_connection_that_died(
    mysqlclient: None, proxies: Callable[[str], tuple[RunningProxy, URL]], way: str
) -> None:
    """The pool's default loses the first request; ping, recycle and a second attempt replace the connection.

    But not where each invocation has an event loop of its own: then it fails with an error of asyncio's,
    which is no lost connection to SQLAlchemy. Only asyncmy sees a reset before it asks for the loop. Nor does
    SQLAlchemy know what mysql-connector says without its C extension, "MySQL Connection not available": it
    looks for the full stop behind it, which the extension writes.
    """
    applications = {
        (name, strategy): Application(strategy, driver, proxies(way))
        for name, driver in DRIVERS.items()
        for strategy in ("queuepool", "pre_ping", "recycle", "retry_once")
        if driver.installed
    }
    for application in applications.values():
        application.invoke()
    time.sleep(1.5 * TIMEOUT_S)
    found = {key: application.invoke()[0] for key, application in applications.items()}
    first = {key: request.outcome for key, request in found.items()}
    after = {key: application.invoke()[0].outcome for key, application in applications.items()}
    for application in applications.values():
        application.close()
    expected = {
        (name, strategy): Outcome.ERROR if strategy == "queuepool" else Outcome.RECONNECTED
        for name, strategy in applications
    }
    lost = {("mysqlconnector_pure", "retry_once")}
    lost |= {(name, strategy) for name in ("asyncmy_run", "aiomysql_run") for strategy in AFTER_THE_FACT}
    if way == BY_RESET:
        lost -= {("asyncmy_run", strategy) for strategy in AFTER_THE_FACT}
    expected |= dict.fromkeys(lost, Outcome.ERROR)
    assert {
        key: (outcome, expected[key]) for key, outcome in first.items() if outcome is not expected[key]
    } == {}
    for name, strategy in applications:
        if strategy == "queuepool" and DRIVERS[name].loop is not Loop.PER_INVOCATION:
            assert after[name, strategy] is Outcome.RECONNECTED
    # Asking a dead connection costs a round trip, whichever end counts it; recycle asks nothing.
    answered = {key: request.seen for key, request in found.items() if request.outcome is Outcome.RECONNECTED}
    assert {key: seen.wire_commands for key, seen in answered.items()} == {
        (name, strategy): WIRE[name]["connect"] + (strategy in AFTER_THE_FACT) for name, strategy in answered
    }


@pytest.mark.any_server
@pytest.mark.slow
def test_over_tls_a_ping_does_not_save_mysqlclient_from_an_end_without_close_notify(
    mysqlclient: None, proxies: Callable[[str], tuple[RunningProxy, URL]]
) -> None:
    """libmariadb then says 2026, `unexpected eof`, which is no lost connection to SQLAlchemy."""
    applications = {
        name: Application("pre_ping", driver, proxies(BY_CLOSE), tls=True)
        for name, driver in DRIVERS.items()
        if driver.installed and driver.loop is not Loop.PER_INVOCATION
    }
    assert {application.invoke()[0].outcome for application in applications.values()} == {Outcome.OK}
    time.sleep(1.5 * TIMEOUT_S)
    first = {name: application.invoke()[0] for name, application in applications.items()}
    for application in applications.values():
        application.close()
    lost = {name: one.failure.error_code for name, one in first.items() if one.failure.error_class}
    assert lost == {name: 2026 for name in first if name == "mysqlclient"}


@pytest.mark.any_server
@pytest.mark.parametrize("name", [one.name for one in DRIVERS.values() if one.loop is Loop.PER_INVOCATION])
def test_who_keeps_a_connection_for_another_event_loop_loses_the_next_invocation(
    proxies: Callable[[str], tuple[RunningProxy, URL]], name: str
) -> None:
    """Not after a long gap, but at once: the connection lives, and its loop is closed.

    SQLAlchemy knows the error for no lost connection. That the next request gets a new one is due to the
    ROLLBACK on return, which fails as well; without it the pool hands out the same connection again.
    """
    driver = DRIVERS[name]
    if not driver.installed:
        pytest.skip(f"{driver.package} is not installed")
    closing = ("nullpool", "dispose_per_invocation", "engine_per_invocation")
    keeping = ("queuepool", "recycle", "recycle_pre_ping", "idle_recycle", "dispose_on_thaw")
    lost = {}
    for strategy in (*closing, *keeping, "no_reset"):
        application = Application(strategy, driver, proxies(NEVER))
        application.invoke()
        lost[strategy] = tuple(request.outcome is Outcome.ERROR for request in application.invoke(2))
        application.close()
    expected = dict.fromkeys(closing, (False, False)) | dict.fromkeys(keeping, (True, False))
    assert lost == expected | {"no_reset": (True, True)}


def test_an_unknown_driver_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownDriver, match=r"unknown driver 'oracle': there are pymysql, mysqlclient"):
        get_driver("oracle")


def make_sync(url: URL) -> object:
    return create_engine(url.set(drivername="mysql+pymysql"))


@pytest.mark.parametrize(
    ("strategy", "driver_name", "reason"),
    [
        ("pre_ping_read_timeout", "aiomysql", "aiomysql has no read_timeout"),
        ("keepalive", "asyncmy", "keepalive is for pymysql alone"),
        (
            f"{__name__}:make_sync",
            "asyncmy",
            f"{__name__}:make_sync makes an engine for pymysql, and asyncmy needs another",
        ),
        ("pre_ping_read_timeout", "mysqlclient", None),
        (REFERENCE, "aiomysql_run", None),
    ],
)
def test_what_cannot_be_combined_is_told_with_the_reason(
    strategy: str, driver_name: str, reason: str | None
) -> None:
    assert misfit(get(strategy), get_driver(driver_name)) == reason
