"""A database of its own for these tests, and proxies in front of it."""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pymysql
import pytest

from poolbench.lab.mysql import RunningServer, Server, create_users
from poolbench.lab.proxy import Backend, Port, ProxySettings, RunningProxy, running_proxy

SCHEMA, OTHER_SCHEMA = "proxy_tests", "proxy_tests_too"
USER, OTHER_USER = "proxy_app", "proxy_other"


@dataclass(frozen=True)
class Database:
    """The server, and who may use it."""

    server: Server
    accounts: Mapping[str, str] = field(repr=False)

    def connect(self, port: int | None = None, user: str = USER, **options: Any) -> Any:
        """A PyMySQL connection, through the proxy on `port` or direct."""
        arguments: dict[str, Any] = {
            "host": self.server.host,
            "port": port or self.server.port,
            "user": user,
            "password": self.accounts.get(user),
            "database": SCHEMA,
            "autocommit": True,
            "ssl_disabled": True,
            "connect_timeout": 5,
            "read_timeout": 20,
        }
        return pymysql.connect(**(arguments | options))

    @property
    def is_mariadb(self) -> bool:
        """Which of the two."""
        return self.server.flavour == "mariadb"


class Start(Protocol):
    """Starts a proxy for one test."""

    def __call__(
        self, listeners: Mapping[str, Port] | None = None, rtt_s: float = 0, **settings: Any
    ) -> RunningProxy:
        """Settings by attribute name."""


@pytest.fixture(scope="session")
def database(server: RunningServer) -> Database:
    accounts = {name: secrets.token_urlsafe(12) for name in (USER, OTHER_USER)}
    for schema in (SCHEMA, OTHER_SCHEMA):
        create_users(server.server, schema, accounts)
    server.server.execute(
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.item (id INT PRIMARY KEY, v VARCHAR(64))",
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.account (id INT PRIMARY KEY, balance INT NOT NULL)",
        f"REPLACE INTO {SCHEMA}.item VALUES (1, 'one'), (2, 'two'), (3, 'three')",
        f"REPLACE INTO {SCHEMA}.account VALUES (1, 0)",
    )
    return Database(server.server, accounts)


def _run(
    database: Database,
    folder: Path,
    settings: Mapping[str, Any],
    listeners: Mapping[str, Port] | None = None,
    rtt_s: float = 0,
) -> contextlib.AbstractContextManager[RunningProxy]:
    server = database.server
    return running_proxy(
        ProxySettings(**settings),
        backend=Backend(server.host, server.port, server.user, server.password),
        accounts=database.accounts,
        work_dir=folder,
        listeners=listeners,
        rtt_s=rtt_s,
    )


@pytest.fixture
def start(database: Database, tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as running:

        def start_one(
            listeners: Mapping[str, Port] | None = None, rtt_s: float = 0, **settings: Any
        ) -> RunningProxy:
            return running.enter_context(_run(database, tmp_path, settings, listeners, rtt_s))

        yield start_one


@pytest.fixture(scope="module")
def proxy(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProxy]:
    """A proxy with RDS Proxy's defaults, shared by the tests of a module."""
    with _run(database, tmp_path_factory.mktemp("proxy"), {}) as running:
        yield running


def rows(connection: Any, statement: str) -> tuple[Any, ...]:
    """Run one statement, return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return tuple(cursor.fetchall())


def value(connection: Any, statement: str) -> Any:
    """Run one statement, return the only value of its only row."""
    ((only,),) = rows(connection, statement)
    return only


def backend_of(connection: Any) -> int:
    """The server's number of the database connection that answers."""
    return int(value(connection, "SELECT CONNECTION_ID()"))


def eventually(holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Poll until it is true."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


def borrowed(proxy: RunningProxy) -> int:
    """How many database connections are lent."""
    return int(proxy.metrics()["DatabaseConnectionsCurrentlyBorrowed"])


def pinned(proxy: RunningProxy) -> list[str]:
    """Why clients that are connected now are pinned."""
    return [client["pinned"] for client in proxy.clients() if client["open"] and client["pinned"]]


def hold_all(database: Database, proxy: RunningProxy) -> list[Any]:
    """Clients that together have every database connection in a transaction."""
    clients = []
    for _ in range(int(proxy.metrics()["MaxDatabaseConnectionsAllowed"])):
        client = database.connect(proxy.port)
        client.begin()
        clients.append(client)
    return clients
