"""Database connections to borrow: a cap, a queue in front of it, and a timeout for those in the queue."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from poolbench.lab.proxy.backend import BackendConnection
from poolbench.lab.proxy.database import Identity
from poolbench.lab.proxy.errors import DatabaseRefused, DatabaseUnavailable
from poolbench.lab.proxy.session import SessionState, replay


class FreeConnections:
    """Grouped by identity, which a session must share to use them; iteration goes over all."""

    def __init__(self) -> None:
        # Dictionaries keep the order: a connection that comes back goes to the end.
        self._groups: dict[Identity, dict[BackendConnection, None]] = {}

    def __iter__(self) -> Iterator[BackendConnection]:
        return (connection for group in self._groups.values() for connection in group)

    def of(self, identity: Identity) -> dict[BackendConnection, None]:
        """Those of an identity, the last used last; for reading only."""
        return self._groups.get(identity, {})

    def add(self, connection: BackendConnection) -> None:
        """Take in one that has just been used."""
        self._groups.setdefault(connection.identity, {})[connection] = None

    def remove(self, connection: BackendConnection) -> bool:
        """Take one out; False if it is not here."""
        group = self._groups.get(connection.identity)
        return group is not None and group.pop(connection, group) is None

    def nearest(self, identity: Identity, state: SessionState) -> BackendConnection | None:
        """Return the one that takes least to bring into `state`, the last used first."""
        usable = [each for each in reversed(self.of(identity)) if replay(each.state, state)]
        return next((each for each in usable if each.state == state), usable[0] if usable else None)

    def longest_unused(self) -> list[BackendConnection]:
        """All, by when a borrower last had an answer from them, the longest unused first."""
        return sorted(self, key=lambda connection: connection.used_at)


RETRY_S = 0.1  # between attempts to reach a database that does not answer

Open = Callable[[Identity], Awaitable[BackendConnection]]


class BorrowTimeout(Exception):
    """No connection became free in time."""


class _Turn:
    """A place in the queue."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.opening = False  # a connection is being opened at its request
        self.refused: DatabaseRefused | None = None


class Pool:
    """Connections, free or lent, and those who wait for one.

    Attributes:
        capacity: how many connections there may be; see `resize`.
        connections: all that are open.
        lent: how many of them are borrowed, those that are being cleaned included.
        exhausted: pretend that all connections are in use.

    """

    def __init__(self, capacity: int, open_connection: Open) -> None:
        self.capacity = capacity
        self.connections: set[BackendConnection] = set()
        self.lent = 0
        self.exhausted = False
        self._open_connection = open_connection
        self._opening = 0
        self._free = FreeConnections()
        self._queue: deque[_Turn] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def take(
        self, borrower: int, identity: Identity, state: SessionState, preferred: BackendConnection | None
    ) -> BackendConnection | None:
        """Lend a free connection that is already in the wanted state; None if none is, or others wait.

        `preferred` is the one that the borrower had last. Unless another client has used it since, what was
        left there (LAST_INSERT_ID(), SHOW WARNINGS) is still found.
        """
        free = self._free.of(identity)
        if not free or self._queue or self.exhausted:
            return None
        if preferred is not None and preferred in free and preferred.last_borrower == borrower:
            connection = preferred
        else:
            connection = next(reversed(free))
        if connection.state is not state and connection.state != state:
            return None
        self._lend(connection, borrower)
        return connection

    async def borrow(
        self, borrower: int, identity: Identity, state: SessionState, timeout_s: float
    ) -> BackendConnection:
        """Lend a connection, opened or waited for if need be, and bring it into the wanted state.

        With a timeout of 0 only a free connection will do, as with RDS Proxy; the pool then opens one for
        the next client, if the cap allows. Bringing a free one into the wanted state may still take as long
        as any command of the proxy itself.

        Raises:
            BorrowTimeout: none became free, or the database did not answer, within `timeout_s`.
            DatabaseRefused: the database refuses this user, or this state.

        """
        deadline = asyncio.get_running_loop().time() + timeout_s if timeout_s else None
        while True:
            connection = await self._acquire(borrower, identity, state, deadline)
            try:
                async with asyncio.timeout_at(deadline):
                    await connection.synchronise(state)
            except DatabaseUnavailable:  # it had died unnoticed, or hangs
                connection.close()
                continue
            except TimeoutError:
                connection.close()
                raise BorrowTimeout from None
            except BaseException:
                connection.close()
                raise
            return connection

    async def _acquire(
        self, borrower: int, identity: Identity, state: SessionState, deadline: float | None
    ) -> BackendConnection:
        connection = None if self._queue else self._nearest(identity, state)
        if connection is None and deadline is None:
            if self._reserve(evict=True):
                self._in_background(self._open(identity, None))
            raise BorrowTimeout
        if connection is None:
            try:
                async with asyncio.timeout_at(deadline):
                    connection = await self._wait_for_turn(identity, state)
            except TimeoutError:
                raise BorrowTimeout from None
        self._lend(connection, borrower)
        return connection

    async def _wait_for_turn(self, identity: Identity, state: SessionState) -> BackendConnection:
        """Queue for a connection, and have one opened where the cap allows it."""
        turn = _Turn()
        self._queue.append(turn)
        try:
            while True:
                is_first = self._queue[0] is turn
                if is_first and (connection := self._nearest(identity, state)):
                    return connection
                if turn.refused:
                    raise turn.refused
                # Those who asked for connections that are still being opened may have been served meanwhile.
                # Free ones are for the first in the queue; if this is the first, it cannot use any.
                coming = self._opening + (0 if is_first else len(self._free.of(identity)))
                if not turn.opening and coming < len(self._queue) and self._reserve(evict=is_first):
                    turn.opening = True
                    self._in_background(self._open(identity, turn))
                await turn.changed.wait()
                turn.changed.clear()
        finally:
            self._queue.remove(turn)
            self._wake()

    def _nearest(self, identity: Identity, state: SessionState) -> BackendConnection | None:
        return None if self.exhausted else self._free.nearest(identity, state)

    def _reserve(self, *, evict: bool) -> bool:
        """Make room for one more connection, if necessary by closing a free one that does not fit."""
        if self.exhausted:
            return False
        if len(self.connections) + self._opening >= self.capacity:
            unused = self._free.longest_unused()
            if not (unused and evict):
                return False
            unused[0].close()
        self._opening += 1
        return True

    async def _open(self, identity: Identity, turn: "_Turn | None") -> None:
        """Open a connection for the first in the queue when it is ready; `turn` asked for it."""
        try:
            connection = await self._open_connection(identity)
        except DatabaseUnavailable:
            await asyncio.sleep(RETRY_S)
        except DatabaseRefused as refused:
            if turn:
                turn.refused = refused
        else:
            if not connection.is_closed:
                self.connections.add(connection)
                self._set_free(connection)
        finally:
            self._opening -= 1
            if turn:
                turn.opening = False
                turn.changed.set()
            self._wake()

    def _lend(self, connection: BackendConnection, borrower: int) -> None:
        self._free.remove(connection)
        connection.last_borrower = borrower
        self.lent += 1

    def give_back(self, connection: BackendConnection) -> None:
        """Take back a connection that any client may use."""
        connection.borrower = None
        if connection not in self.connections:  # it has died meanwhile
            return
        connection.flow.open()
        self.lent -= 1
        self._set_free(connection)

    def clean(self, connection: BackendConnection) -> None:
        """Take back a connection after resetting its session, in the background."""
        connection.borrower = None
        connection.flow.open()  # the last borrower may have been slow
        self._in_background(self._give_back_after(connection.reset(), connection))

    def verify(self, connection: BackendConnection) -> None:
        """Take back a connection that the server may be about to close, once it has answered a ping."""
        connection.borrower = None
        connection.flow.open()
        self._in_background(self._give_back_after(connection.ping(), connection))

    def exhaust(self, *, on: bool) -> None:
        """Lend nothing, or go on lending."""
        self.exhausted = on
        self._wake()

    def resize(self, capacity: int) -> None:
        """Change the cap.

        Free connections above it are closed now, lent ones when they come back; what RDS Proxy does with
        them, its documentation does not say.
        """
        self.capacity = capacity
        self._close_surplus()
        for turn in self._queue:
            turn.changed.set()

    def trim(self, keep: int, used_before: float) -> None:
        """Keep only so many of the free connections last used before that time; close the longest unused."""
        idle = [each for each in self._free.longest_unused() if each.used_at < used_before]
        for connection in idle[: max(0, len(idle) - keep)]:
            connection.close()

    def retire(self, opened_before: float) -> None:
        """Close free connections opened before that time."""
        for connection in list(self._free):
            if connection.opened_at < opened_before:
                connection.close()

    def keep_alive(self, heard_before: float) -> None:
        """Ping free connections silent since before that time, as RDS Proxy does against wait_timeout."""
        for connection in list(self._free):
            if connection.heard_at < heard_before:
                self._free.remove(connection)
                self.lent += 1
                self._in_background(self._give_back_after(connection.ping(), connection))

    async def _give_back_after(self, work: Awaitable[None], connection: BackendConnection) -> None:
        """Take a connection back after work on it, or close it if the work fails for any reason."""
        try:
            await work
        except (DatabaseRefused, DatabaseUnavailable):
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            self.give_back(connection)

    def close_all(self) -> None:
        """Close every connection, lent or not."""
        for connection in list(self.connections):
            connection.close()

    def forget(self, connection: BackendConnection) -> bool:
        """Note that a connection is gone; False if that was known."""
        if connection not in self.connections:
            return False
        self.connections.remove(connection)
        if not self._free.remove(connection):
            self.lent -= 1
        self._wake()
        return True

    def _set_free(self, connection: BackendConnection) -> None:
        self._free.add(connection)
        if len(self.connections) > self.capacity:
            self._close_surplus()
        self._wake()

    def _close_surplus(self) -> None:
        for connection in self._free.longest_unused()[: max(0, len(self.connections) - self.capacity)]:
            connection.close()

    def _wake(self) -> None:
        if self._queue:
            self._queue[0].changed.set()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
