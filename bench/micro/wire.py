"""Commands counted where they are: on the wire, whatever driver sends them."""

import socket
import socketserver
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from pymysql.constants import CLIENT, COMMAND
from sqlalchemy import URL

from poolbench.lab.platform import LOOPBACK

_HEADER = 4  # payload length in 3 bytes, little-endian, then the sequence number, 0 for a command


class ClientStream:
    """What one client sends, from its login on.

    Attributes:
        encrypted: it has turned to TLS, and nothing more can be told of it.

    """

    def __init__(self) -> None:
        self.encrypted = False
        self._unread = b""
        self._logged_in = False

    def feed(self, data: bytes) -> int:
        """Take the next bytes; how many commands are complete by them.

        A login counts as one, however many packets its plugin exchanges: that is what it takes at best.
        COM_QUIT has no answer, so costs no round trip, and does not count.
        """
        self._unread += data
        commands = 0
        while not self.encrypted and len(self._unread) >= _HEADER + self._size():
            size, sequence = self._size(), self._unread[3]
            payload, self._unread = self._unread[_HEADER : _HEADER + size], self._unread[_HEADER + size :]
            if not self._logged_in:
                self._logged_in = True
                self.encrypted = bool(int.from_bytes(payload[:4], "little") & CLIENT.SSL)
                commands += not self.encrypted
            elif sequence == 0:
                commands += payload[0] != COMMAND.COM_QUIT
        return commands

    def _size(self) -> int:
        return int.from_bytes(self._unread[:3], "little") if len(self._unread) >= _HEADER else 1


class CommandCounter:
    """A relay before a server that counts what its clients send."""

    def __init__(self, server: URL) -> None:
        """Relay to the host and port of `server`."""
        counter, address = self, (server.host or LOOPBACK, server.port or 3306)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                counter._relay(self.request, address)

        self._lock = threading.Lock()
        self._commands = self._encrypted = 0
        self._listener = socketserver.ThreadingTCPServer((LOOPBACK, 0), Handler)
        self._listener.daemon_threads = True  # they end with their clients
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Accept no more clients; those that are there stay as long as they like."""
        self._listener.shutdown()
        self._listener.server_close()

    def before(self, server: URL) -> URL:
        """The same URL, by way of this relay."""
        return server.set(host=LOOPBACK, port=self._listener.server_address[1])

    def count(self) -> tuple[int, int]:
        """Commands, and connections that turned to TLS, so far; whatever was answered is among them."""
        with self._lock:
            return self._commands, self._encrypted

    def _relay(self, client: socket.socket, address: tuple[str, int]) -> None:
        with socket.create_connection(address) as server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            self._forward(client, server)
            back.join()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        stream = ClientStream()
        with suppress(OSError):
            while data := client.recv(1 << 16):
                was_encrypted = stream.encrypted
                commands = stream.feed(data)
                with self._lock:  # before it is passed on, so before it can be answered
                    self._commands += commands
                    self._encrypted += stream.encrypted and not was_encrypted
                with suppress(OSError):  # the server has gone, which the client has yet to find out
                    server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
