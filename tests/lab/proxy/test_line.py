"""What becomes of a client that does not take what was sent to it before the end."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from poolbench.lab.platform import LOOPBACK
from poolbench.lab.proxy import transport
from poolbench.lab.proxy.transport import ClientLine


class _Ended(ClientLine):
    def __init__(self, note: Callable[[], None]) -> None:
        super().__init__(1)
        self._note = note

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.send(bytes(64 << 20))
        self.hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._note()


async def _hung_up_on(*, reads: bool) -> int:
    """How many bytes came before the end."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    server = await loop.create_server(lambda: _Ended(ended.set), LOOPBACK, 0)
    received = 0
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, server.sockets[0].getsockname())
        try:
            while reads and (data := await loop.sock_recv(client, 1 << 20)):
                received += len(data)
        finally:
            async with asyncio.timeout(60):
                await ended.wait()
            server.close()
    return received


def test_it_is_cut_off_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "UNSENT_LIMIT_S", 0.05)
    assert asyncio.run(_hung_up_on(reads=False)) == 0


def test_one_that_reads_gets_it_all() -> None:
    assert asyncio.run(_hung_up_on(reads=True)) == 64 << 20
