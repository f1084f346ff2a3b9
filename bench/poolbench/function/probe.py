"""What one engine did during one request, told by SQLAlchemy's own events."""

import functools
import json
import os
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pymysql.connections
from sqlalchemy import Engine, ExceptionContext, NullPool, event

from poolbench.function.clocks import boottime_ns
from poolbench.function.drivers import DEFAULT, of_dialect
from poolbench.function.internals import check_internals
from poolbench.model.row import Observation


def arrivals(driver: str, endpoint: str) -> Callable[[], int] | None:
    """How to ask how many commands have arrived, logins not among them; None: PyMySQL, or no lab's proxy.

    Measured requests never overlap, so all that arrives during one is its own. A command on a connection
    that the proxy has closed never arrives: the probe adds it, as it counts PyMySQL's when they are sent.
    """
    control = os.environ.get("POOLBENCH_PROXY_CONTROL")
    if driver == DEFAULT or not control or not endpoint.startswith("proxy"):
        return None

    import urllib.request  # noqa: PLC0415 (only where it is needed: it is slow to import)

    def ask() -> int:
        with urllib.request.urlopen(f"{control}/metrics", timeout=5) as answer:  # noqa: S310 (ours, from the lab)
            commands: int = json.load(answer)["ClientCommands"]
        return commands

    return ask


_PyMySQL: Any = pymysql.connections.Connection  # its stubs leave the private method out


def count_commands(*, on: bool = True) -> None:
    """Count every command that PyMySQL sends and waits for, in the whole process, or stop doing so.

    All of them pass through `_execute_command`: COM_QUERY, COM_PING, COM_INIT_DB. Not COM_QUIT, which
    has no answer and so costs no round trip, and not authentication, which the probe adds by itself.

    Raises:
        ChangedInternals: they do not, in this version of PyMySQL.

    """
    check_internals()
    execute = _PyMySQL._execute_command
    execute = getattr(execute, "__wrapped__", execute)

    @functools.wraps(execute)
    def counting(connection: Any, command: int, statement: str | bytes) -> None:
        _current.get(_NONE).commands += 1
        execute(connection, command, statement)

    _PyMySQL._execute_command = counting if on else execute


@dataclass(slots=True)
class _Request:
    """A request under way."""

    seen: Observation = field(default_factory=lambda: Observation(replacements=0))
    commands: int = 0
    arrived_before: int = 0
    unheard: int = 0  # commands on connections that were dead: sent, and nobody there to count them
    connect_began: float | None = None
    checked_out: bool = False

    def add_connect_time(self) -> None:
        if self.connect_began is not None:
            elapsed = time.perf_counter() - self.connect_began
            self.seen.connect_s = (self.seen.connect_s or 0.0) + elapsed
            self.connect_began = None


# Of this thread, or of this asynchronous task: several may use one engine at a time.
_current: ContextVar[_Request] = ContextVar("request")
_NONE = _Request()  # takes what happens between requests


class Probe:
    """Listens to an engine. On each thread one request at a time: `begin`, the request, `end`."""

    def __init__(self, engine: Engine, arrived: Callable[[], int] | None = None) -> None:
        """Attach to `engine`, after whatever its strategy attached.

        Args:
            engine: to listen to.
            arrived: tells how many commands have arrived at the other end, where PyMySQL does not send them.

        """
        self._driver = of_dialect(engine.dialect.driver)
        self._is_pymysql = engine.dialect.driver == "pymysql"
        self._arrived = arrived
        self._keeps_connections = not isinstance(engine.pool, NullPool)
        self._lock = threading.RLock()  # of the two counts; a garbage collection may close within `with`
        self._open = self._held = 0  # connections now, and those that the pool has or could have kept
        self._returned_ns: dict[int, int] = {}  # id of a pooled connection -> boottime of its return
        self._dialect = engine.dialect
        self._do_ping: Callable[[Any], bool] = engine.dialect.do_ping
        # The dialect calls self.do_ping for each ping, which is what lets an attribute shadow the method.
        engine.dialect.do_ping = self._ping  # type: ignore[method-assign,assignment]
        event.listen(engine, "do_connect", self._on_connect_begin)
        event.listen(engine, "connect", self._on_connected)
        event.listen(engine, "checkout", self._on_checkout)
        event.listen(engine, "checkin", self._on_checkin)
        event.listen(engine, "invalidate", self._on_invalidate)
        event.listen(engine, "handle_error", self._on_error)
        event.listen(engine, "close", self._on_close)

    def begin(self) -> None:
        """Begin a request on this thread."""
        _current.set(_Request(arrived_before=self._arrived() if self._arrived else 0))

    def end(self) -> Observation:
        """What has happened since `begin`."""
        request = _current.get(_NONE)
        request.add_connect_time()  # of one that failed
        if self._is_pymysql:
            request.seen.wire_commands = request.commands + request.seen.connects
        elif self._arrived:
            arrived = self._arrived() - request.arrived_before
            request.seen.wire_commands = arrived + request.unheard + request.seen.connects
        _current.set(_NONE)
        return request.seen

    def _offered(self, connection: Any, seen: Observation) -> None:
        """Note how long the connection had lain in the pool, if it is the first one of this request."""
        returned_ns = self._returned_ns.pop(id(connection), None)
        if returned_ns is not None and seen.connection_idle_s is None:
            seen.connection_idle_s = (boottime_ns() - returned_ns) / 1e9

    def _ping(self, connection: Any) -> bool:
        request = _current.get(_NONE)
        seen = request.seen
        self._offered(connection, seen)
        seen.pings += 1
        began = time.perf_counter()
        try:
            return self._do_ping(connection)
        except self._dialect.loaded_dbapi.Error as error:
            request.unheard += self._dialect.is_disconnect(error, connection, None)
            raise
        finally:
            seen.ping_s = (seen.ping_s or 0.0) + time.perf_counter() - began

    def _on_error(self, context: ExceptionContext) -> None:
        """A statement failed; pings, and connects, which have no connection yet, are counted elsewhere."""
        lost = context.is_disconnect and not context.is_pre_ping and context.connection is not None
        _current.get(_NONE).unheard += lost

    def _on_connect_begin(self, *_: Any) -> None:
        _current.get(_NONE).connect_began = time.perf_counter()

    def _on_connected(self, *_: Any) -> None:
        request = _current.get(_NONE)
        # Registered last, so the driver's and SQLAlchemy's session setup is part of the time.
        request.add_connect_time()
        request.seen.connects += 1
        with self._lock:
            # Not by pool slots: StaticPool and a disposed pool make new ones.
            replaced = self._keeps_connections and self._open < self._held
            request.seen.replacements = (request.seen.replacements or 0) + replaced
            self._open += 1
            self._held = max(self._held, self._open)

    def _on_checkout(self, connection: Any, record: Any, *_: Any) -> None:
        request = _current.get(_NONE)
        self._offered(connection, request.seen)
        request.checked_out = True
        if self._driver:
            request.seen.connection_id = self._driver.thread_id(record.driver_connection)

    def _on_checkin(self, connection: Any, *_: Any) -> None:
        if connection is not None:  # None: it was invalidated
            self._returned_ns[id(connection)] = boottime_ns()

    def _on_invalidate(self, connection: Any, *_: Any) -> None:
        seen = _current.get(_NONE).seen
        self._offered(connection, seen)
        seen.invalidations += 1

    def _on_close(self, connection: Any, *_: Any) -> None:
        request = _current.get(_NONE)
        # By NullPool, by a pool that has enough of them, or after an invalidation.
        after_use = request.checked_out
        with self._lock:
            self._open -= 1
            self._held -= after_use and not request.seen.invalidations
        if after_use:
            self._returned_ns.pop(id(connection), None)
            return
        self._offered(connection, request.seen)
        # Before the checkout and of no invalidation: the pool found it too old.
        request.seen.recycles += not request.seen.invalidations
