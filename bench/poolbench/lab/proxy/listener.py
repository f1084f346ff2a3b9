"""A port that clients connect to, with the way to die that rules behind it."""

import asyncio
from collections.abc import Iterable

from poolbench.lab.proxy.client import ClientConnection
from poolbench.lab.proxy.context import Client, Context
from poolbench.lab.proxy.faults import Failure

BACKLOG = 1024


class Listener:
    """One port; those of one proxy share its pool.

    Attributes:
        name: what the control API calls it.
        host: where it listens.
        port: where it listens; until it is open, 0 stands for any free port.
        failure: what its clients live and die with.
        relaying: unset during the failure `pause`.

    """

    def __init__(self, name: str, host: str, port: int, failure: Failure, context: Context) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.failure = failure
        self.relaying = asyncio.Event()
        self.relaying.set()
        self._context = context
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Accept clients.

        Raises:
            OSError: the port is taken, or not to be had.

        """
        if self._server is None:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: ClientConnection(self._context, self), self.host, self.port, backlog=BACKLOG
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse clients, as a port does that nobody listens on."""
        if self._server:
            self._server.close()
            self._server = None

    def pause(self, *, on: bool) -> None:
        """Stop, or go on, relaying."""
        if on == self.relaying.is_set():
            for client in self._clients():
                client.pause(on=on)
        if on:
            self.relaying.clear()
        else:
            self.relaying.set()

    def _clients(self) -> Iterable[Client]:
        return [client for client in self._context.clients.values() if client.origin is self]

    async def fail(self, failure: Failure) -> None:
        """Go over to another way to die."""
        self.failure = failure
        self.pause(on=failure is Failure.PAUSE)
        if failure is Failure.REFUSED_CONNECTS:
            self.refuse()
        else:
            await self.open()
