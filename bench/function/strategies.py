"""The pool strategies under test: one entry each. Add one here and every campaign can name it."""

import difflib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import URL, Engine, NullPool, StaticPool, create_engine

from bench.function.workload import seed

CONTROL = "no_database"  # not a strategy: the same calls with no server behind, what the harness itself costs
REFERENCE = "queuepool"  # SQLAlchemy's defaults; comparisons and the A/A pair are made with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How an application sets up its engine."""

    name: str
    purpose: str  # what it is for
    price: str  # what it costs when nothing is wrong
    fails: str  # where it loses a request
    engine: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # for create_engine
    recycle: float | None = None  # pool_recycle, as a multiple of the proxy's idle client timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a strategy's engine is built for."""

    url: URL
    idle_client_timeout_s: float
    label: str  # announced to the server as program_name, so that connections can be told apart
    tls: ssl.SSLContext | None = None  # one for all connections: building one costs ~30 ms of CPU


class UnknownStrategy(ValueError):
    """No strategy of that name; the message has the nearest one."""


_ENTRIES = (
    Strategy(
        name="queuepool",
        purpose="SQLAlchemy's defaults: a QueuePool that keeps its connection for ever",
        price="none: a warm connection and no check",
        fails="first request after a gap beyond the proxy's idle client timeout",
    ),
    Strategy(
        name="nullpool",
        purpose="no pool: connect for each checkout, close at its end",
        price="a TCP, (TLS) and authentication handshake and the driver's session setup, every time",
        fails="nowhere in the gap; under load it meets the proxy's connection rate limits first",
        engine=MappingProxyType({"poolclass": NullPool}),
    ),
    Strategy(
        name="recycle",
        purpose="pool_recycle at 0.7 of the idle client timeout: replace a connection before the proxy does",
        price="a reconnect whenever the connection is older than that, idle or not",
        fails="nowhere, as long as somebody keeps the number below the proxy's setting",
        recycle=0.7,
    ),
    Strategy(
        name="recycle_late",
        purpose="pool_recycle at 3 times the idle client timeout: the number out of step",
        price="a reconnect whenever the connection is older than that",
        fails="gaps longer than the timeout that end before the connection's age reaches recycle",
        recycle=3.0,
    ),
    Strategy(
        name="pre_ping",
        purpose="pool_pre_ping: COM_PING before each checkout, reconnect if it fails",
        price="one round trip for each checkout; after the timeout also the failed ping",
        fails="never on a closed connection; hangs on a silent one, unless the driver has a read timeout",
        engine=MappingProxyType({"pool_pre_ping": True}),
    ),
    Strategy(
        name="recycle_pre_ping",
        purpose="both: recycle at 0.7 of the timeout for the known limit, ping for the unknown ones",
        price="one round trip for each checkout, and the reconnects of recycle",
        fails="hangs only on a connection younger than recycle that went silent",
        engine=MappingProxyType({"pool_pre_ping": True}),
        recycle=0.7,
    ),
)
STRATEGIES: Mapping[str, Strategy] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def get(name: str) -> Strategy:
    """Look up a strategy.

    Raises:
        UnknownStrategy: there is none of that name.

    """
    try:
        return STRATEGIES[name]
    except KeyError:
        near = difflib.get_close_matches(name, STRATEGIES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(STRATEGIES)}"
        raise UnknownStrategy(f"unknown strategy {name!r}: {hint}") from None


def build_control() -> Engine:
    """SQLite in memory: the harness and SQLAlchemy's own work, with no socket and no server."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    seed(engine)
    return engine


def build_engine(strategy: Strategy, setting: Setting) -> Engine:
    """Make the strategy's engine; opens no connection."""
    arguments = dict(strategy.engine)
    if strategy.recycle is not None:
        # Not an int: local campaigns run with timeouts of a few seconds, and the pool compares floats.
        arguments["pool_recycle"] = strategy.recycle * setting.idle_client_timeout_s
    connect: dict[str, Any] = {"program_name": setting.label}
    # PyMySQL's default is a new SSLContext for each connection, whose CA bundle costs more than all else.
    connect |= {"ssl": setting.tls} if setting.tls else {"ssl_disabled": True}
    return create_engine(setting.url, connect_args=connect, **arguments)
