"""What a strategy is, and how it becomes an engine."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import URL, Engine, StaticPool, create_engine, event

from poolbench.function.config import TokenSource
from poolbench.function.drivers import DEFAULT, DRIVERS, Authority, Driver
from poolbench.function.workload import seed

CONTROL = "no_database"  # not a strategy: the same calls with no server behind, what the harness costs
REFERENCE = "queuepool"  # SQLAlchemy's defaults; comparisons and the A/A pair are made with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a strategy's engine is built for."""

    url: URL
    idle_client_timeout_s: float
    label: str  # announced to the server as program_name, so that connections can be told apart
    driver: Driver = DRIVERS[DEFAULT]
    tls: Authority | None = None
    tokens: TokenSource | None = None


Listener = Callable[[Engine, Setting], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What the application does around its engine, beside checking out and returning connections."""

    retries: int = 0  # how often a request that lost its connection is sent again
    dispose_after_gap: float | None = None  # dispose of the pool after such a gap, in idle client timeouts
    dispose_each_invocation: bool = False  # close the pool's connections at the end of each invocation
    engine_each_invocation: bool = False  # build a new engine for each invocation ...
    connects_at_init: bool = False  # ... and connect it before the invocation that uses it
    holds_connection: bool = False  # keep one connection checked out from one invocation to the next


class Token(StrEnum):
    """When a token is made that stands in for the password."""

    FOR_EACH_CONNECT = "for each connect"
    AT_BUILD = "at build"  # of the engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How an application sets up and uses its engine."""

    name: str
    purpose: str  # what it is for
    price: str  # what it costs when nothing is wrong
    fails: str  # where it loses a request
    engine: Mapping[str, Any] = field(default_factory=dict)  # for create_engine
    driver: Mapping[str, Any] = field(default_factory=dict)  # for the driver's connect, as PyMySQL calls it
    own_tls: bool = True  # False: the driver is told nothing of TLS, and does what it does by default
    token: Token | None = None  # in place of the password
    only_with: str | None = None  # the one driver that it can be had with
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
        return _own_engine(strategy.name, strategy.factory(setting.url))
    arguments = dict(strategy.engine)
    if strategy.recycle is not None:
        # Not an int: local campaigns run with timeouts of a few seconds, and the pool compares floats.
        arguments["pool_recycle"] = strategy.recycle * setting.idle_client_timeout_s
    driver = setting.driver
    connect = {**driver.labelled(setting.label), **strategy.driver}
    if strategy.own_tls:
        # PyMySQL's default is a new SSLContext for each connection, whose CA bundle costs more than all else.
        connect |= driver.encrypted(setting.tls) if setting.tls else driver.plain
    if strategy.token:
        setting = _with_token(setting, strategy.token)
    engine = _create(setting, connect_args=connect, **arguments)
    if strategy.token is Token.FOR_EACH_CONNECT and setting.tokens:
        make = setting.tokens.make
        event.listen(engine, "do_connect", lambda *parts: parts[-1].update(password=make()))
    for listener in strategy.listeners:
        listener(engine, setting)
    return engine


def _with_token(setting: Setting, token: Token) -> Setting:
    """The user that comes in with tokens, with one that is made now if that is when they are made."""
    if setting.tokens is None:
        raise BadEngine("nobody comes in with tokens here: POOLBENCH_TOKENS is not set")
    url = setting.url.set(username=setting.tokens.user)
    return replace(setting, url=url.set(password=setting.tokens.make()) if token is Token.AT_BUILD else url)


def _create(setting: Setting, **arguments: Any) -> Engine:
    if not setting.driver.is_async:
        return create_engine(setting.url, **arguments)
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 (slow, and needs greenlet)

    return create_async_engine(setting.url, **arguments).sync_engine


def _own_engine(name: str, made: object) -> Engine:
    engine = getattr(made, "sync_engine", made)  # an AsyncEngine has one
    if not isinstance(engine, Engine):
        raise BadEngine(f"{name} made {type(made).__qualname__}, not a sqlalchemy.Engine")
    return engine


def misfit(strategy: Strategy, driver: Driver) -> str | None:
    """Why a strategy cannot be had with a driver; None: it can."""
    if strategy.only_with not in (None, driver.name):
        return f"{strategy.name} is for {strategy.only_with} alone"
    if lacking := sorted(set(strategy.driver) - driver.timeouts):
        return f"{driver.name} has no {', '.join(lacking)}"
    return _misfit_of_own(strategy, driver) if strategy.factory else None


def _misfit_of_own(strategy: Strategy, driver: Driver) -> str | None:
    """Ask the factory itself, with a URL that nobody needs to connect to for this.

    Raises:
        BadEngine: it makes something else.

    """
    nowhere = URL.create(driver.scheme, "nobody", host="nowhere.invalid", database="nothing")
    setting = Setting(url=nowhere, idle_client_timeout_s=1.0, label=strategy.name, driver=driver)
    try:
        engine = build_engine(strategy, setting)
    except BadEngine:
        raise
    except Exception:  # of whatever class: it is their code, and it may want the real URL
        return None
    if engine.dialect.is_async != driver.is_async:
        return f"{strategy.name} makes an engine for {engine.dialect.driver}, and {driver.name} needs another"
    return None


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
