"""The proxy as a whole: listeners, the pool behind them, housekeeping, gauges."""

import asyncio
import traceback
from dataclasses import replace
from time import monotonic
from typing import Any

from pymysql.constants import ER

from poolbench.lab.proxy.backend import BackendConnection
from poolbench.lab.proxy.client import Listener
from poolbench.lab.proxy.config import ProxyConfig, ProxySettings
from poolbench.lab.proxy.context import ProxyContext
from poolbench.lab.proxy.database import Facts, Identity, Opened, open_connection
from poolbench.lab.proxy.errors import DatabaseRefused, DatabaseUnavailable
from poolbench.lab.proxy.faults import ProxyFault
from poolbench.lab.proxy.monitoring import INTERVAL_S, EventKind, MetricSeries, Value
from poolbench.lab.proxy.pool import Pool
from poolbench.lab.proxy.session import SessionState
from poolbench.lab.proxy.statements import statements_of
from poolbench.lab.proxy.transport import server_context

OTHER_PROGRAMS = "other"
MAX_PROGRAMS = 256  # program names that are counted one by one
PING_AFTER_S = 60  # a free database connection is pinged after so much silence
HOUSEKEEPING_S = 0.1


class Proxy:
    """One proxy in front of one database.

    Attributes:
        context: what its connections share.
        listeners: by name.
        series: its metrics over time.

    """

    def __init__(self, config: ProxyConfig, facts: Facts) -> None:
        self._config = config
        self._facts = facts
        self.context = ProxyContext(
            settings=config.settings,
            facts=facts,
            accounts=config.accounts,
            tokens=config.tokens,
            tls=server_context(config.tls) if config.tls else None,
            pool=Pool(_capacity(facts, config.settings), self._open),
        )
        self.listeners = {
            name: Listener(name, config.host, listener.port, listener.failure, self.context)
            for name, listener in config.listeners.items()
        }
        self.series = MetricSeries(self.metrics)
        self._database_answers = True
        self._programs: dict[str, int] = {}

    async def open(self) -> None:
        """Open the listeners.

        Raises:
            OSError: a port cannot be opened.

        """
        for listener in self.listeners.values():
            await listener.open()
            await self.fail(listener.name, listener.failure)

    async def keep_house(self) -> None:
        """Keep closing and pinging free database connections, and sampling the series."""
        sample_at = monotonic()
        while True:
            now, settings = monotonic(), self.context.settings
            keep = self._facts.max_connections * settings.idle_percent // 100
            self.context.pool.trim(keep, now - settings.database_idle_after)
            self.context.pool.retire(now - settings.database_lifetime)
            self.context.pool.keep_alive(now - PING_AFTER_S)
            if now >= sample_at:
                self.series.sample()
                sample_at += INTERVAL_S
            await asyncio.sleep(HOUSEKEEPING_S)

    async def _open(self, identity: Identity) -> BackendConnection:
        """Open a database connection.

        Raises:
            DatabaseRefused: the server answered with an error.
            DatabaseUnavailable: it did not answer.

        """
        loop, context = asyncio.get_running_loop(), self.context
        context.metrics.database_requests += 1
        context.metrics.database_requests_tls += self._config.backend.authority is not None
        try:
            if ProxyFault.SERVER_RESTART in self._failures():
                raise DatabaseUnavailable("as the failure has it")
            password = context.accounts[identity.user]
            opened = await loop.run_in_executor(
                None, open_connection, self._config.backend, identity, password
            )
            connection = await self._adopt(opened, identity)
        except (DatabaseRefused, DatabaseUnavailable) as failure:
            context.metrics.database_set_up_failed += 1
            self._database_answers = isinstance(failure, DatabaseRefused)
            raise
        except Exception as unforeseen:  # an immediate retry would loop
            context.metrics.database_set_up_failed += 1
            traceback.print_exc()
            raise DatabaseRefused(
                ER.UNKNOWN_ERROR, "HY000", f"the proxy failed: {unforeseen!r}"
            ) from unforeseen
        self._database_answers = True
        connection.thread_id = opened.thread_id
        context.metrics.database_set_up += 1
        context.events.add(EventKind.OPEN_DATABASE, database=opened.thread_id)
        return connection

    async def _adopt(self, opened: Opened, identity: Identity) -> BackendConnection:
        context = self.context
        state = SessionState(None, context.facts.autocommit)
        init_query = statements_of(context.settings.init_query)
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: BackendConnection(identity, state, init_query, self._lost, opened.tls),
            sock=opened.socket,
        )
        try:
            await connection.initialise()
        except (DatabaseRefused, DatabaseUnavailable):
            connection.close()
            raise
        return connection

    def _lost(self, connection: BackendConnection) -> None:
        if self.context.pool.forget(connection):
            self.context.events.add(EventKind.CLOSE_DATABASE, database=connection.thread_id)

    def metrics(self) -> dict[str, Value]:
        """Counters and gauges, under CloudWatch's names."""
        context = self.context
        programs = dict.fromkeys(self._programs, 0)
        for client in context.clients.values():
            known = client.program in programs or len(programs) < MAX_PROGRAMS
            name = client.program if known else OTHER_PROGRAMS
            programs[name] = programs.get(name, 0) + 1
        self._programs = programs  # a program that has left stays, with 0
        sessions = [client.session for client in context.clients.values() if client.session]
        encrypted = sum(client.speaks_tls for client in context.clients.values())
        return context.metrics.as_dict() | {
            "ClientConnections": programs,
            "ClientConnectionsTLS": encrypted,
            "ClientConnectionsNoTLS": len(context.clients) - encrypted,
            "DatabaseConnections": len(context.pool.connections),
            "DatabaseConnectionsCurrentlyBorrowed": context.pool.lent,
            "DatabaseConnectionsCurrentlyInTransaction": sum(each.in_transaction for each in sessions),
            "DatabaseConnectionsCurrentlySessionPinned": sum(bool(each.pinned) for each in sessions),
            "MaxDatabaseConnectionsAllowed": context.pool.capacity,
            "AvailabilityPercentage": 100 * self._database_answers,
        }

    def clients(self) -> list[dict[str, Any]]:
        """Client connections, open and recently closed, with the commands that each has sent."""
        open_now = (client.describe() for client in self.context.clients.values())
        return [*self.context.past_clients, *open_now]

    def change(self, settings: ProxySettings) -> None:
        """Go on with other settings; InitQuery holds for database connections that are opened from now on.

        Raises:
            ConfigError: they do not go with the rest of the configuration.

        """
        self._config = replace(self._config, settings=settings)
        self.context.settings = settings
        self.context.pool.resize(_capacity(self._facts, settings))
        for client in list(self.context.clients.values()):
            client.settings_changed()

    async def fail(self, listener: str, failure: ProxyFault) -> None:
        """Switch a listener to another failure.

        Raises:
            KeyError: the listener does not exist.

        """
        await self.listeners[listener].fail(failure)
        self.context.events.add(EventKind.FAILURE, detail=f"{listener}: {failure}")
        self.context.pool.exhaust(on=ProxyFault.BORROW_EXHAUSTION in self._failures())
        if failure is ProxyFault.SERVER_RESTART:
            self.context.pool.close_all()

    def _failures(self) -> set[ProxyFault]:
        return {listener.failure for listener in self.listeners.values()}


def _capacity(facts: Facts, settings: ProxySettings) -> int:
    return max(1, facts.max_connections * settings.max_connections_percent // 100)
