"""What the pool does by the clock, with database connections on which nobody ever answers."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from poolbench.lab.proxy import backend
from poolbench.lab.proxy.backend import BackendConnection
from poolbench.lab.proxy.database import Identity
from poolbench.lab.proxy.pool import Pool
from poolbench.lab.proxy.session import SessionState

IDENTITY, STATE = Identity("app", 0), SessionState(None, autocommit=True)


def with_pool(capacity: int, work: Callable[[Pool], Awaitable[None]]) -> None:
    """Run `work` with an empty pool."""

    def lost(connection: BackendConnection) -> None:
        pool.forget(connection)

    async def open_silent(identity: Identity) -> BackendConnection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: BackendConnection(identity, STATE, [], lost), *listener.getsockname()
        )
        return connection

    async def limited() -> None:
        async with asyncio.timeout(60):
            await work(pool)
            pool.close_all()

    pool = Pool(capacity, open_silent)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(limited())


async def borrow(pool: Pool, count: int) -> list[BackendConnection]:
    return [await pool.borrow(number, IDENTITY, STATE, 30) for number in range(count)]


def test_what_does_not_answer_the_proxy_itself_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is being reset or pinged it counts against the cap."""
    monkeypatch.setattr(backend, "ANSWER_TIMEOUT_S", 0.05)

    async def lend_and_verify(pool: Pool) -> None:
        (connection,) = await borrow(pool, 1)
        pool.verify(connection)
        assert (len(pool.connections), pool.lent) == (1, 1)
        while pool.connections:
            await asyncio.sleep(0.01)
        assert pool.lent == 0

    with_pool(1, lend_and_verify)


def test_of_idle_connections_the_last_used_are_kept_and_others_do_not_count() -> None:
    async def trim(pool: Pool) -> None:
        connections = await borrow(pool, 6)
        for connection in connections:
            pool.give_back(connection)
        for used_at, connection in enumerate(connections):
            connection.used_at = used_at
        pool.trim(keep=2, used_before=2)  # two are idle
        assert pool.connections == set(connections)
        pool.trim(keep=2, used_before=5)
        assert pool.connections == set(connections[3:])

    with_pool(6, trim)


def test_room_for_another_user_is_made_by_the_one_that_nobody_has_used_for_longest() -> None:
    async def evict(pool: Pool) -> None:
        old, *others = await borrow(pool, 3)
        other = await pool.borrow(4, Identity("other", 0), STATE, 30)
        for connection in (other, *others, old):
            pool.give_back(connection)
        for used_at, connection in enumerate((old, *others, other)):
            connection.used_at = used_at
        await pool.borrow(5, Identity("third", 0), STATE, 30)
        assert old not in pool.connections
        assert {*others, other} < pool.connections

    with_pool(4, evict)
