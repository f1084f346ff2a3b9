"""One application: an engine of a strategy, and how that strategy says to use it."""

import contextlib
import copy
from collections.abc import Callable
from typing import Self

from sqlalchemy import Connection, Engine, QueuePool

from poolbench.function.deadline import Deadline, Patience
from poolbench.function.probe import Probe
from poolbench.function.strategies import Conduct, Setting, Strategy, build_control, build_engine


class Client:
    """Checks connections out and gives them back; `begin` and `end` frame each invocation."""

    def __init__(
        self,
        strategy: Strategy | None,
        setting: Setting | None,
        arrived: Callable[[], int] | None = None,
    ) -> None:
        """Make the engine, that of the baseline without a strategy; opens no connection.

        Args:
            strategy: how to make and use the engine.
            setting: what the engine is for.
            arrived: for the probe.

        """
        self._strategy, self._setting, self._arrived = strategy, setting, arrived
        self.conduct = strategy.conduct if strategy else Conduct()
        self.deadline: Deadline | Patience = Deadline(setting.url.port if setting else None)
        self._held: Connection | None = None
        self._due: Callable[[], None] | None = None  # what the next checkout begins with
        self._build()

    def _build(self) -> None:
        if self._strategy and self._setting:
            self.engine: Engine = build_engine(self._strategy, self._setting)
        else:
            self.engine = build_control()
        self.probe = Probe(self.engine, self._arrived)

    def begin(self, gap_s: float | None) -> None:
        """An invocation begins, `gap_s` after the last one's end (None: it is the first)."""
        limit = self.conduct.dispose_after_gap
        if limit is None or gap_s is None or self._setting is None:
            return
        if gap_s > limit * self._setting.idle_client_timeout_s:
            self._due = self.engine.dispose

    def end(self) -> None:
        """An invocation ends."""
        if self.conduct.dispose_each_invocation:
            self.engine.dispose()
        if self.conduct.engine_each_invocation:
            self._due = self._build
        if self.conduct.connects_at_init:
            self.settle()
            with contextlib.suppress(Exception):  # the request that follows tells
                self.engine.connect().close()

    def settle(self) -> None:
        """Do what the strategy does before an invocation's first checkout, whose caller waits for it."""
        due, self._due = self._due, None
        if due:
            due()

    def fill(self, connections: int) -> None:
        """Leave so many connections in the pool, or as many as it keeps, as that many threads would."""
        self.settle()
        pool = self.engine.pool
        many = min(connections, pool.size()) if isinstance(pool, QueuePool) else connections
        with contextlib.suppress(Exception), contextlib.ExitStack() as held:  # the request that follows tells
            for _ in range(many):
                held.enter_context(self.engine.connect())

    def on_thread(self) -> Self:
        """The same application, settled, for requests on a thread beside others."""
        beside = copy.copy(self)
        beside.deadline = Patience()
        return beside

    def close(self) -> None:
        """Close its connections, for good."""
        if self._held is not None:
            # Left to the garbage collector, its ROLLBACK may fall into somebody's measured request; sent now,
            # it may wait for ever, if the other end is silent.
            with contextlib.suppress(Exception):  # it may be dead
                self._held.invalidate()
            self._held = None
        self.engine.dispose()

    def checkout(self) -> Connection:
        """Get a connection, the held one where the strategy holds one."""
        self.settle()
        if not self.conduct.holds_connection:
            return self.engine.connect()
        if self._held is None:
            self._held = self.engine.connect()
        return self._held

    def give_back(self, connection: Connection) -> None:
        """End the request's transaction and, unless it is held, return the connection."""
        if connection is self._held:
            connection.rollback()
        else:
            connection.close()
