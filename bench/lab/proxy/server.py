"""The proxy as a whole: listens, opens database connections, knows its gauges."""

import asyncio
import socket
from collections.abc import Mapping

from bench.lab.proxy.auth import NATIVE
from bench.lab.proxy.backend import (
    Backend,
    BackendConnection,
    DatabaseRefused,
    DatabaseUnavailable,
    Identity,
    log_in,
)
from bench.lab.proxy.client import ClientConnection
from bench.lab.proxy.context import Context
from bench.lab.proxy.facts import Facts
from bench.lab.proxy.pool import Pool
from bench.lab.proxy.session import SessionState
from bench.lab.proxy.settings import ProxySettings
from bench.lab.proxy.statements import statements_of

BACKLOG = 1024
OTHER_PROGRAMS = "other"
MAX_PROGRAMS = 256  # program names that are counted one by one


class Proxy:
    """One proxy in front of one database."""

    def __init__(
        self, backend: Backend, facts: Facts, accounts: Mapping[str, str], settings: ProxySettings
    ) -> None:
        self._backend = backend
        self.context = Context(
            settings=settings,
            facts=facts,
            accounts=accounts,
            auth_method=NATIVE,
            pool=Pool(facts.max_connections * settings.max_connections_percent // 100 or 1, self._open),
        )
        self._programs: dict[str, int] = {}
        self._listener: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accept clients; returns where."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: ClientConnection(self.context), host, port, backlog=BACKLOG
        )
        bound = self._listener.sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    async def _open(self, identity: Identity) -> BackendConnection:
        """Open a database connection.

        Raises:
            DatabaseRefused: the server answered with an error.
            DatabaseUnavailable: it did not answer.

        """
        loop, context = asyncio.get_running_loop(), self.context
        try:
            raw, thread_id = await loop.run_in_executor(
                None, log_in, self._backend, identity, context.accounts[identity.user]
            )
            connection = await self._adopt(raw, identity)
        except (DatabaseRefused, DatabaseUnavailable):
            context.metrics.database_set_up_failed += 1
            raise
        connection.thread_id = thread_id
        context.metrics.database_set_up += 1
        return connection

    async def _adopt(self, raw: socket.socket, identity: Identity) -> BackendConnection:
        context = self.context
        state = SessionState(None, context.facts.autocommit)
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: BackendConnection(
                identity, state, statements_of(context.settings.init_query), context.pool.forget
            ),
            sock=raw,
        )
        await connection.initialise()
        return connection

    def metrics(self) -> dict[str, float | dict[str, int]]:
        """Counters and gauges, under CloudWatch's names."""
        context = self.context
        programs = dict.fromkeys(self._programs, 0)
        sessions = [client.commands for client in context.clients.values() if client.commands]
        for client in context.clients.values():
            known = client.program in programs or len(programs) < MAX_PROGRAMS
            name = client.program if known else OTHER_PROGRAMS
            programs[name] = programs.get(name, 0) + 1
        self._programs = programs  # a program that has left stays, with 0
        return context.metrics.as_dict() | {
            "ClientConnections": programs,
            "DatabaseConnections": len(context.pool.connections),
            "DatabaseConnectionsCurrentlyBorrowed": context.pool.lent,
            "DatabaseConnectionsCurrentlyInTransaction": sum(each.in_transaction for each in sessions),
            "DatabaseConnectionsCurrentlySessionPinned": sum(bool(each.pinned) for each in sessions),
            "MaxDatabaseConnectionsAllowed": context.pool.capacity,
        }

    def clients(self) -> list[dict[str, object]]:
        """Client connections of now and of a while ago, with the commands that each has sent."""
        return [
            *self.context.past_clients,
            *(client.describe() for client in self.context.clients.values()),
        ]

    async def change(self, settings: ProxySettings) -> None:
        """Go on with other settings."""
        self.context.settings = settings
        for client in list(self.context.clients.values()):
            client.restart_idle_timer()
