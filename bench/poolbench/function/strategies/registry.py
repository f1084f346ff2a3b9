"""The pool strategies under test: one entry each. Add one here and every campaign can name it.

Library defaults and tuned variants are entries of their own.
"""

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import NullPool, StaticPool

from poolbench.function.strategies.listeners import keep_alive, ping_when_idle, recycle_when_idle
from poolbench.function.strategies.strategy import Conduct, Strategy, Token
from poolbench.function.user_code import import_function


class UnknownStrategy(ValueError):
    """No strategy of that name; the message has the nearest one."""


def _with(**arguments: Any) -> Mapping[str, Any]:
    return MappingProxyType(arguments)


_GAP = "first request after a gap beyond the proxy's idle client timeout"
# What SQLAlchemy does not know for a lost connection: an error of asyncio's, of libmariadb's TLS.
_UNKNOWN = "with an event loop for each invocation (asyncio.run), with mysqlclient's libmariadb over TLS"
_OTHER_LOOP = "; one that was opened in another event loop (asyncio.run in each invocation)"
_NO_CONNECT = "nowhere in the gap; whenever no new connection is let in (1040, 2003, a rate limit)"

_ENTRIES = (
    Strategy(
        name="queuepool",
        purpose="SQLAlchemy's defaults: a QueuePool that keeps its connection for ever",
        price="none: a warm connection and no check",
        fails=_GAP,
    ),
    Strategy(
        name="nullpool",
        purpose="no pool: connect for each checkout, close at its end",
        price="a TCP, (TLS) and authentication handshake and the driver's session setup, every time",
        fails=_NO_CONNECT,
        engine=_with(poolclass=NullPool),
    ),
    Strategy(
        name="recycle",
        purpose="pool_recycle at 0.7 of the idle client timeout: replace a connection before the proxy does",
        price="a reconnect whenever the connection is older than that, idle or not",
        fails="a connection that dies young, as at a restart; any, once the number is not below the proxy's"
        + _OTHER_LOOP,
        recycle=0.7,
    ),
    Strategy(
        name="recycle_near",
        purpose="pool_recycle at 0.95 of the idle client timeout: as late as can be",
        price="a reconnect whenever the connection is older than that, idle or not",
        fails="as recycle, and requests that begin late enough to miss the little that is left",
        recycle=0.95,
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
        fails=_UNKNOWN + "; hangs on a silent connection, as the driver has no read timeout",
        engine=_with(pool_pre_ping=True),
    ),
    Strategy(
        name="recycle_pre_ping",
        purpose="both: recycle at 0.7 of the timeout for the known limit, ping for the unknown ones",
        price="one round trip for each checkout, and the reconnects of recycle",
        fails="hangs only on a connection younger than recycle that went silent" + _OTHER_LOOP,
        engine=_with(pool_pre_ping=True),
        recycle=0.7,
    ),
    Strategy(
        name="lifo",
        purpose="pool_use_lifo: reuse the connection returned last, let the others age at the server",
        price="none",
        fails=_GAP + "; of several stale connections it replaces only those that are used again",
        engine=_with(pool_use_lifo=True),
    ),
    Strategy(
        name="static",
        purpose="StaticPool: one connection, as a module-level variable would hold it",
        price="none; no limit and no lock between threads",
        fails=_GAP,
        engine=_with(poolclass=StaticPool),
    ),
    Strategy(
        name="aws_sample",
        purpose="the AWS sample's pool_size=1, max_overflow=0, pool_recycle=3600 (twice the timeout), "
        "pre-ping, LIFO",
        price="one round trip for each checkout; after the timeout also the failed ping, as recycle is late",
        fails="as pre-ping; a second thread waits",
        engine=_with(pool_size=1, max_overflow=0, pool_pre_ping=True, pool_use_lifo=True),
        recycle=2.0,
    ),
    Strategy(
        name="pre_ping_read_timeout",
        purpose="pre-ping with a read timeout of 2 s in the driver, so that the ping cannot hang",
        price="one round trip for each checkout; statements longer than 2 s fail",
        fails=_UNKNOWN + "; on a silent connection it answers after the read timeout",
        engine=_with(pool_pre_ping=True),
        driver=_with(read_timeout=2),
    ),
    Strategy(
        name="idle_ping",
        purpose="ping at checkout only a connection that was idle for half the timeout",
        price="nothing while requests come often; else as pre-ping",
        fails="as pre-ping, and on connections that died while they were busy",
        listeners=(ping_when_idle(0.5),),
    ),
    Strategy(
        name="idle_recycle",
        purpose="replace at checkout a connection that was idle, not merely alive, for 0.7 of the timeout",
        price="a reconnect after such a gap only; none for a busy connection, however old",
        fails="nowhere in the gap, as long as the number stays below the proxy's; at the proxy's 24 h limit"
        + _OTHER_LOOP,
        listeners=(recycle_when_idle(0.7),),
    ),
    Strategy(
        name="retry_once",
        purpose="the default pool, and a request that lost its connection is sent again",
        price="nothing while all is well; after the timeout the lost attempt and a reconnect",
        fails=_UNKNOWN
        + ", with mysql-connector without its C extension; hangs on a silent connection; not to "
        "be had for what must not run twice",
        conduct=Conduct(retries=1),
    ),
    Strategy(
        name="dispose_on_thaw",
        purpose="the handler disposes of the pool when it sees that 0.7 of the timeout has passed",
        price="a reconnect after such a gap only",
        fails="nowhere in the gap, as long as the number stays below the proxy's" + _OTHER_LOOP,
        conduct=Conduct(dispose_after_gap=0.7),
    ),
    Strategy(
        name="dispose_per_invocation",
        purpose="the handler disposes of the pool before it returns: nothing idle is ever held",
        price="a handshake for each invocation; its further requests reuse the connection; after the last "
        "one the caller waits for the closing, too, which is in no latency here",
        fails=_NO_CONNECT,
        conduct=Conduct(dispose_each_invocation=True),
    ),
    Strategy(
        name="engine_per_invocation",
        purpose="a new engine for each invocation, as code without module state does, and as an environment "
        "is that connects with its first request",
        price="a handshake and SQLAlchemy's five questions to a new server, for each invocation",
        fails=_NO_CONNECT + "; the old engines' connections stay until they are collected",
        conduct=Conduct(engine_each_invocation=True),
    ),
    Strategy(
        name="connect_at_init",
        purpose="a new engine for each environment, connected while it initialises: as provisioned "
        "environments do whose first request may come much later",
        price="none for the first request; each environment holds a connection before anybody needs it",
        fails=_GAP + ", and that is the environment's very first request",
        conduct=Conduct(engine_each_invocation=True, connects_at_init=True),
    ),
    Strategy(
        name="nullpool_default_tls",
        purpose="NullPool, with nothing said about TLS: PyMySQL makes a new SSLContext for each connection",
        price="as nullpool, and the reading of the machine's CA certificates for each connection",
        fails=_NO_CONNECT,
        engine=_with(poolclass=NullPool),
        own_tls=False,
        only_with="pymysql",
    ),
    Strategy(
        name="token",
        purpose="pre-ping, and an IAM-style token for a password, made for each connect (do_connect)",
        price="one round trip for each checkout; a signature and a longer login for each connect",
        fails="hangs on a silent connection",
        engine=_with(pool_pre_ping=True),
        token=Token.FOR_EACH_CONNECT,
        only_with="pymysql",
    ),
    Strategy(
        name="token_at_build",
        purpose="the same, with a token that is made with the engine, and valid for half the timeout",
        price="one round trip for each checkout",
        fails="whenever it reconnects after the token is over: access denied, 1045, until it is restarted",
        engine=_with(pool_pre_ping=True),
        token=Token.AT_BUILD,
        only_with="pymysql",
    ),
    Strategy(
        name="autocommit",
        purpose="AUTOCOMMIT without the ROLLBACK on return (skip_autocommit_rollback)",
        price="less than the default: one round trip for a query, not two, except with mysql-connector; no "
        "transactions",
        fails=_GAP,
        engine=_with(isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True),
    ),
    Strategy(
        name="no_reset",
        purpose="pool_reset_on_return=None: the pool sends no ROLLBACK when a connection comes back",
        price="as the default: it is Connection.close() that sends the ROLLBACK after a query, not the pool; "
        "only a checkout without a query saves it",
        fails=_GAP
        + "; again and again on a connection whose error SQLAlchemy does not know: it is the failing "
        "ROLLBACK that has the pool drop it",
        engine=_with(pool_reset_on_return=None),
    ),
    Strategy(
        name="keepalive",
        purpose="TCP keepalive probes at a quarter of the timeout",
        price="none that a request sees",
        only_with="pymysql",
        fails=_GAP + ": a frozen process sends no probes, and the proxy counts requests, not packets",
        listeners=(keep_alive,),
    ),
    Strategy(
        name="held",
        purpose="the anti-pattern: one connection checked out for good, pre-ping and recycle notwithstanding",
        price="none",
        fails=_GAP + ": ping and recycle act at checkout, and there is none",
        engine=_with(pool_pre_ping=True),
        recycle=0.7,
        conduct=Conduct(holds_connection=True),
    ),
)
STRATEGIES: Mapping[str, Strategy] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def get(name: str) -> Strategy:
    """Look up a strategy; `package.module:function` is somebody's own engine factory.

    The function takes the `sqlalchemy.URL` of the bench schema and returns an `Engine`. It is imported where
    it is named: by the plan, and by the function in its execution environment.

    Raises:
        UnknownStrategy: a strategy or function of that name does not exist.

    """
    if ":" in name:
        return _own(name)
    try:
        return STRATEGIES[name]
    except KeyError:
        near = difflib.get_close_matches(name, STRATEGIES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(STRATEGIES)}"
        raise UnknownStrategy(f"unknown strategy {name!r}: {hint}") from None


def _own(name: str) -> Strategy:
    try:
        factory = import_function(name)
    except ImportError as error:
        raise UnknownStrategy(f"strategy {name!r} cannot be imported: {error}") from error
    return Strategy(name=name, purpose="your own engine", price="?", fails="?", factory=factory)
