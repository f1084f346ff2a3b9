"""What is measured: made for one server, on connections of its own, as often as it is asked for."""

import asyncio
import functools
import importlib
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import URL, Engine

from poolbench.function.drivers import Authority, Driver
from poolbench.function.strategies import REFERENCE, STRATEGIES, Conduct, Setting, build_engine, get
from poolbench.function.workload import point_select

IDLE_CLIENT_TIMEOUT_S = 1800  # RDS Proxy's default; the suite ends before any recycle is due
FAREWELL_S = 0.05
A_AGAINST_A = "the same twice"  # of Group.SELF
# What the others do beside, they do around invocations, and no checkout shows it.
AT_CHECKOUT = tuple(  # less those whose tokens a plain server does not take
    name for name, one in STRATEGIES.items() if one.conduct == Conduct() and one.token is None
)

Action = Callable[[], object]


class Group(StrEnum):
    """The questions, pytest-benchmark's groups: benchmarks in one group answer the same question."""

    REQUEST = "warm request: checkout, one row by primary key, return"
    CHECKOUT = "warm checkout and return, nothing between"
    NEW_ENGINE = "first request of a new engine"
    CONNECT = "connect and close"
    COMMAND = "one command on an open connection"
    RECOVERY = "first request after the server killed the connection"
    THREADS = "80 requests on 8 threads"
    PATH = "warm request by path, with a round-trip time added"
    SELF = "the suite itself"


class Encryption(StrEnum):
    """How a connection is encrypted."""

    NONE = "plain"
    SHARED = "TLS, shared context"  # an ssl.SSLContext made once
    OWN = "TLS, driver's own context"  # whatever the driver makes for each connection


@dataclass(frozen=True, slots=True)
class Case:
    """Something to measure.

    Attributes:
        action: the timed part.
        before: run before each round, outside of the timed part.

    """

    action: Action
    before: Action = lambda: None


Make = Callable[[URL], AbstractContextManager[Case]]


@contextmanager
def engine_of(strategy: str, at: URL) -> Iterator[Engine]:
    """A strategy's engine for a server, without TLS."""
    setting = Setting(url=at, idle_client_timeout_s=IDLE_CLIENT_TIMEOUT_S, label=strategy)
    engine = build_engine(get(strategy), setting)
    try:
        yield engine
    finally:
        engine.dispose()


def request(engine: Engine) -> None:
    """Checkout, one row by primary key, return."""
    with engine.connect() as connection:
        point_select(connection)


@contextmanager
def warm_request(strategy: str, at: URL) -> Iterator[Case]:
    """A request on an engine that has served others."""
    with engine_of(strategy, at) as engine:
        yield Case(lambda: request(engine))


def plain_request(at: URL) -> AbstractContextManager[Case]:
    """The same under SQLAlchemy's defaults: what most is compared with."""
    return warm_request(REFERENCE, at)


def connect_arguments(
    driver: Driver, encryption: Encryption, context: ssl.SSLContext
) -> Mapping[str, Any] | None:
    """What a driver's `connect` is told of encryption, with `context` to share; None: it cannot do that."""
    if encryption is Encryption.NONE:
        return driver.plain
    if encryption is Encryption.OWN:
        return driver.default_tls
    arguments = driver.encrypted(Authority(context, file=""))
    return arguments if context in arguments.values() else None


@contextmanager
def connecting(driver: Driver, encryption: Encryption, context: ssl.SSLContext, at: URL) -> Iterator[Case]:
    """Open one connection and close it, by the driver alone.

    Raises:
        ModuleNotFoundError: the driver is not installed.

    """
    connect = functools.partial(
        importlib.import_module(driver.module).connect,
        host=at.host,
        port=at.port,
        user=at.username,
        password=at.password or "",
        **{driver.database: at.database},
        **(connect_arguments(driver, encryption, context) or {}),
    )
    if not driver.is_async:
        yield Case(lambda: connect().close())
        return

    async def connect_and_close() -> None:
        connection = await connect()
        await connection.ensure_closed()  # sends COM_QUIT, as close() of the others does

    with closing(asyncio.new_event_loop()) as loop:
        yield Case(lambda: loop.run_until_complete(connect_and_close()))
        # asyncio closes a TLS connection once the server has closed its side, and reports that to nobody.
        loop.run_until_complete(asyncio.sleep(FAREWELL_S))
