"""What a strategy is, and how it becomes an engine."""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, Engine, StaticPool, create_engine, event

from bench.function.workload import seed

CONTROL = "no_database"  # not a strategy: the same calls with no server behind, what the harness costs
REFERENCE = "queuepool"  # SQLAlchemy's defaults; comparisons and the A/A pair are made with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a strategy's engine is built for."""

    url: URL
    idle_client_timeout_s: float
    label: str  # announced to the server as program_name, so that connections can be told apart
    tls: ssl.SSLContext | None = None  # one for all connections: building one costs ~30 ms of CPU


Listener = Callable[[Engine, Setting], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What the application does around its engine, beside checking out and returning connections."""

    retries: int = 0  # how often a request that lost its connection is sent again
    dispose_after_gap: float | None = None  # dispose of the pool after such a gap, in idle client timeouts
    dispose_each_invocation: bool = False  # close the pool's connections at the end of each invocation
    engine_each_invocation: bool = False  # build a new engine for each invocation
    holds_connection: bool = False  # keep one connection checked out from one invocation to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How an application sets up and uses its engine."""

    name: str
    purpose: str  # what it is for
    price: str  # what it costs when nothing is wrong
    fails: str  # where it loses a request
    engine: Mapping[str, Any] = field(default_factory=dict)  # for create_engine
    driver: Mapping[str, Any] = field(default_factory=dict)  # for the driver's connect
    recycle: float | None = None  # pool_recycle, as a multiple of the proxy's idle client timeout
    listeners: tuple[Listener, ...] = ()
    conduct: Conduct = Conduct()
    factory: Callable[[URL], Engine] | None = None  # somebody's own, instead of all of the above


class BadEngine(TypeError):
    """A factory that does not make an Engine; the message names it and what it made."""


def build_engine(strategy: Strategy, setting: Setting) -> Engine:
    """Make the strategy's engine; opens no connection.

    Raises:
        BadEngine: it comes from a factory, and that made something else.

    """
    if strategy.factory:
        made: object = strategy.factory(setting.url)
        if not isinstance(made, Engine):
            raise BadEngine(f"{strategy.name} made {type(made).__qualname__}, not a sqlalchemy.Engine")
        return made
    arguments = dict(strategy.engine)
    if strategy.recycle is not None:
        # Not an int: local campaigns run with timeouts of a few seconds, and the pool compares floats.
        arguments["pool_recycle"] = strategy.recycle * setting.idle_client_timeout_s
    connect: dict[str, Any] = {"program_name": setting.label}
    # PyMySQL's default is a new SSLContext for each connection, whose CA bundle costs more than all else.
    connect |= {"ssl": setting.tls} if setting.tls else {"ssl_disabled": True}
    connect |= strategy.driver
    engine = create_engine(setting.url, connect_args=connect, **arguments)
    for listener in strategy.listeners:
        listener(engine, setting)
    return engine


def build_control() -> Engine:
    """SQLite in memory: the harness and SQLAlchemy's own work, with no socket and no server."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    event.listen(engine, "connect", _teach_sleep)
    seed(engine)
    return engine


def _teach_sleep(connection: Any, _record: object) -> None:
    """Give SQLite MySQL's SLEEP, for the workload that is slow."""

    def sleep(seconds: float) -> int:
        time.sleep(seconds)
        return 0

    connection.create_function("SLEEP", 1, sleep)
