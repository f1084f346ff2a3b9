"""What the pool does by the clock, with a database that answers every command, or none."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import cast

import pytest
from pymysql.constants import COMMAND

from poolbench.lab.platform import LOOPBACK
from poolbench.lab.proxy import backend
from poolbench.lab.proxy.backend import BackendConnection
from poolbench.lab.proxy.config import ProxyConfig, ProxySettings
from poolbench.lab.proxy.database import Backend, Facts, Identity
from poolbench.lab.proxy.pool import Pool
from poolbench.lab.proxy.protocol import AUTOCOMMIT, HEADER_SIZE, ok
from poolbench.lab.proxy.server import Proxy
from poolbench.lab.proxy.session import SessionState
from poolbench.lab.proxy.transport import Hold

IDENTITY, STATE = Identity("app", 0), SessionState(None, autocommit=True)


class Database(asyncio.Protocol):
    """Answers each command with OK, or with nothing; counts them by number."""

    def __init__(self, commands: Counter[int], *, answers: bool) -> None:
        self._commands, self._answers = commands, answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._commands[data[HEADER_SIZE]] += 1
        if self._answers:
            self._transport.write(ok(1, AUTOCOMMIT))


def with_pool(
    capacity: int, work: Callable[[Pool], Awaitable[None]], *, answers: bool = False
) -> Counter[int]:
    """Run `work` with an empty pool; returns how many commands the database got, by number."""
    commands = Counter[int]()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        database = await loop.create_server(lambda: Database(commands, answers=answers), LOOPBACK, 0)
        address = database.sockets[0].getsockname()

        async def open_connection(identity: Identity) -> BackendConnection:
            _, connection = await loop.create_connection(
                lambda: BackendConnection(identity, STATE, [], pool.forget), *address
            )
            return connection

        pool = Pool(capacity, open_connection)
        async with database, asyncio.timeout(60):
            await work(pool)
            pool.close_all()

    asyncio.run(run())
    return commands


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


@pytest.mark.parametrize("come_back", [Pool.give_back, Pool.clean, Pool.verify])
def test_a_connection_whose_borrower_was_slow_is_read_again_when_it_comes_back(
    come_back: Callable[[Pool, BackendConnection], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "ANSWER_TIMEOUT_S", 5)

    async def lend_twice(pool: Pool) -> None:
        (connection,) = await borrow(pool, 1)
        connection.flow.hold(Hold.PEER_SLOW | Hold.PAUSED, on=True)
        come_back(pool, connection)
        assert await borrow(pool, 1) == [connection]
        await connection.ping()

    with_pool(1, lend_twice, answers=True)


def test_a_silent_connection_is_pinged_and_lent_to_nobody_meanwhile() -> None:
    async def keep_alive(pool: Pool) -> None:
        silent, fresh, lent = await borrow(pool, 3)
        pool.give_back(silent)
        pool.give_back(fresh)
        began = monotonic()
        silent.used_at = silent.own_answer_at = lent.used_at = lent.own_answer_at = began - 60
        pool.keep_alive(began - 30)
        assert pool.lent == 2
        assert pool.take(silent.last_borrower, IDENTITY, STATE, preferred=silent) is fresh
        while pool.lent > 2:
            await asyncio.sleep(0)
        assert (silent.own_answer_at > began, fresh.own_answer_at > began) == (True, False)
        assert await borrow(pool, 1) == [silent]

    assert with_pool(3, keep_alive, answers=True) == {COMMAND.COM_PING: 1}


def test_a_lowered_cap_closes_what_is_free_at_once_and_what_is_lent_when_it_comes_back() -> None:
    async def lower(pool: Pool) -> None:
        first, second, *lent = await borrow(pool, 5)
        for used_at, connection in enumerate((first, second)):
            pool.give_back(connection)
            connection.used_at = used_at
        pool.resize(4)
        assert pool.connections == {second, *lent}
        pool.resize(2)
        assert pool.connections == set(lent)
        pool.give_back(lent[0])
        assert pool.connections == set(lent[1:])
        pool.give_back(lent[1])
        pool.give_back(lent[2])
        assert (pool.connections, pool.lent) == (set(lent[1:]), 0)

    with_pool(5, lower)


def test_housekeeping_closes_and_pings_by_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: dict[str, float] = {}
    settings = ProxySettings(max_idle_connections_percent=20, database_idle_after=100, database_lifetime=1000)
    config = ProxyConfig(backend=Backend("", 0, "", ""), accounts={}, settings=settings)
    facts = Facts("8.4.0", max_connections=50, autocommit=True, charset=45, collations={})

    async def keep_house() -> None:
        proxy = Proxy(config, facts)
        pool, began = proxy.context.pool, monotonic()
        done = asyncio.Event()
        monkeypatch.setattr(pool, "trim", lambda keep, before: noted.update(keep=keep, trim=began - before))
        monkeypatch.setattr(pool, "retire", lambda before: noted.update(retire=began - before))
        monkeypatch.setattr(pool, "keep_alive", lambda before: noted.update(ping=began - before))
        monkeypatch.setattr(proxy.series, "sample", done.set)
        work = asyncio.create_task(proxy.keep_house())
        async with asyncio.timeout(60):
            await done.wait()
        work.cancel()

    asyncio.run(keep_house())
    assert noted == {
        "keep": 10,
        "trim": pytest.approx(100, abs=5),
        "retire": pytest.approx(1000, abs=5),
        "ping": pytest.approx(60, abs=5),
    }
