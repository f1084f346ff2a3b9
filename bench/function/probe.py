"""What one engine did during one request, told by SQLAlchemy's own events."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pymysql.connections
from sqlalchemy import Engine, NullPool, event

from bench.function.clocks import boottime_ns

_commands = 0  # sent by PyMySQL in this process
_PyMySQL: Any = pymysql.connections.Connection  # its stubs leave the private method out
_execute_command = _PyMySQL._execute_command


def _counting(connection: Any, command: int, statement: str | bytes) -> None:
    global _commands  # noqa: PLW0603 (one integer, on the measured path)
    _commands += 1
    _execute_command(connection, command, statement)


def count_commands(*, on: bool = True) -> None:
    """Count every command that PyMySQL sends and waits for, in the whole process, or stop doing so.

    All of them pass through `_execute_command`: COM_QUERY, COM_PING, COM_INIT_DB. Not COM_QUIT, which
    has no answer and so costs no round trip, and not authentication, which the probe adds by itself.
    """
    _PyMySQL._execute_command = _counting if on else _execute_command


@dataclass(slots=True)
class Observation:
    """Counts and times of one request; durations in seconds."""

    connect_s: float | None = None
    ping_s: float | None = None
    connection_idle_s: float | None = None
    connects: int = 0
    replacements: int = 0  # of the connects, those in place of a connection that the pool had held before
    pings: int = 0
    invalidations: int = 0
    recycles: int = 0
    wire_commands: int | None = None
    connection_id: int | None = None


class Probe:
    """Listens to an engine. One request at a time: `begin`, the request, `end`."""

    def __init__(self, engine: Engine) -> None:
        """Attach to `engine`, after whatever its strategy attached."""
        self._is_pymysql = engine.dialect.driver == "pymysql"
        self._keeps_connections = not isinstance(engine.pool, NullPool)
        self._open = self._most_open = 0
        self._commands_before = 0
        self._connect_began: float | None = None
        self._checked_out = False
        self._returned_ns: dict[int, int] = {}  # id of a pooled connection -> boottime of its return
        self._seen = Observation()
        self._do_ping: Callable[[Any], bool] = engine.dialect.do_ping
        # The dialect calls self.do_ping for each ping, which is what lets an attribute shadow the method.
        engine.dialect.do_ping = self._ping  # type: ignore[method-assign,assignment]
        event.listen(engine, "do_connect", self._on_connect_begin)
        event.listen(engine, "connect", self._on_connected)
        event.listen(engine, "checkout", self._on_checkout)
        event.listen(engine, "checkin", self._on_checkin)
        event.listen(engine, "invalidate", self._on_invalidate)
        event.listen(engine, "close", self._on_close)

    def begin(self) -> None:
        """Forget the last request."""
        self._seen = Observation()
        self._checked_out = False
        self._connect_began = None
        self._commands_before = _commands

    def end(self) -> Observation:
        """What has happened since `begin`."""
        if self._connect_began is not None:  # it failed
            self._add_connect_time()
        if self._is_pymysql:
            self._seen.wire_commands = _commands - self._commands_before + self._seen.connects
        return self._seen

    def _add_connect_time(self) -> None:
        if self._connect_began is not None:
            elapsed = time.perf_counter() - self._connect_began
            self._seen.connect_s = (self._seen.connect_s or 0.0) + elapsed
            self._connect_began = None

    def _offered(self, connection: Any) -> None:
        """Note how long the connection had lain in the pool, if it is the first one of this request."""
        returned_ns = self._returned_ns.pop(id(connection), None)
        if returned_ns is not None and self._seen.connection_idle_s is None:
            self._seen.connection_idle_s = (boottime_ns() - returned_ns) / 1e9

    def _ping(self, connection: Any) -> bool:
        self._offered(connection)
        self._seen.pings += 1
        began = time.perf_counter()
        try:
            return self._do_ping(connection)
        finally:
            self._seen.ping_s = (self._seen.ping_s or 0.0) + time.perf_counter() - began

    def _on_connect_begin(self, *_: Any) -> None:
        self._connect_began = time.perf_counter()

    def _on_connected(self, *_: Any) -> None:
        # Registered last, so the driver's and SQLAlchemy's session setup is part of the time.
        self._add_connect_time()
        self._seen.connects += 1
        # Not by pool slots: StaticPool and a disposed pool make new ones.
        self._seen.replacements += self._keeps_connections and self._open < self._most_open
        self._open += 1
        self._most_open = max(self._most_open, self._open)

    def _on_checkout(self, connection: Any, *_: Any) -> None:
        self._offered(connection)
        self._checked_out = True
        self._seen.connection_id = connection.thread_id() if self._is_pymysql else None

    def _on_checkin(self, connection: Any, *_: Any) -> None:
        if connection is not None:  # None: it was invalidated
            self._returned_ns[id(connection)] = boottime_ns()

    def _on_invalidate(self, connection: Any, *_: Any) -> None:
        self._offered(connection)
        self._seen.invalidations += 1

    def _on_close(self, connection: Any, *_: Any) -> None:
        self._open -= 1
        if self._checked_out:  # NullPool closing what it has just taken back, or an invalidation
            self._returned_ns.pop(id(connection), None)
            return
        self._offered(connection)
        # Before the checkout and of no invalidation: the pool found it too old.
        self._seen.recycles += not self._seen.invalidations
