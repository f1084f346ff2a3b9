"""Where the database should be, there may be something else."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from poolbench.lab.platform import LOOPBACK
from poolbench.lab.proxy import database as database_module
from poolbench.lab.proxy.database import Backend, Identity, learn, open_connection
from poolbench.lab.proxy.errors import DatabaseRefused, DatabaseUnavailable
from poolbench.lab.proxy.handshake import Greeting, new_nonce
from poolbench.lab.proxy.protocol import auth_switch, packet


@contextlib.contextmanager
def something_else(says: bytes) -> Iterator[Backend]:
    """Greets every connection with these bytes, and then says no more."""
    with socket.create_server((LOOPBACK, 0)) as listening, contextlib.ExitStack() as accepted:

        def greet() -> None:
            with contextlib.suppress(OSError):  # nobody listens any more
                while True:
                    accepted.enter_context(listening.accept()[0]).sendall(says)

        thread = threading.Thread(target=greet)
        thread.start()
        accepted.callback(thread.join)
        accepted.callback(listening.shutdown, socket.SHUT_RDWR)
        yield Backend(LOOPBACK, listening.getsockname()[1], "somebody", "")


@pytest.mark.parametrize(
    "says",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(20_000),
        b"\x05\x00\x00\x00abcde",
        b"\x0a\x00\x00\x00\x0a" + bytes(9),
    ],
)
def test_what_is_no_mysql_server_is_a_database_that_is_not_there(says: bytes) -> None:
    with something_else(says) as backend:
        with pytest.raises(DatabaseUnavailable):
            learn(backend)
        with pytest.raises(DatabaseUnavailable):
            open_connection(backend, Identity("somebody", 0), "")


def test_a_plugin_that_nobody_here_knows_is_told_at_once_and_not_waited_for() -> None:
    nonce = new_nonce()
    greeting = Greeting(
        version="8.4.0",
        connection_id=1,
        nonce=nonce,
        plugin=b"mysql_native_password",
        status=2,
        tls=False,
        charset=45,
    )
    says = packet(0, greeting.encode()) + packet(2, auth_switch(b"auth_gssapi_client", nonce))
    with something_else(says) as backend, pytest.raises(DatabaseRefused, match="auth_gssapi_client"):
        open_connection(backend, Identity("somebody", 0), "")


def test_one_that_accepts_and_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "CONNECT_TIMEOUT_S", 0.2)
    with something_else(b"") as backend, pytest.raises(DatabaseUnavailable, match="timed out"):
        learn(backend)
