"""The database behind a proxy: where it is, what the proxy must know of it, and how to log in.

PyMySQL logs in, with any plugin that it knows: mysql_native_password, caching_sha2_password, sha256_password,
client_ed25519, dialog and mysql_clear_password. For any other plugin the client gets error 1105.
"""

import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import pymysql
from pymysql.constants import CR, ER
from pymysql.cursors import Cursor

from poolbench.lab.proxy.errors import DatabaseRefused, DatabaseUnavailable
from poolbench.lab.proxy.transport import CHUNK, TlsChannel, client_context


@dataclass(frozen=True, slots=True)
class Backend:
    """Address of the database, and the user as whom the proxy reads its settings.

    Attributes:
        authority: PEM file; if set, TLS is used, and the server's certificate must be signed by it.
        check_hostname: whether the certificate must also name `host`.

    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    authority: str | None = None
    check_hostname: bool = True


class Identity(NamedTuple):
    """What two sessions must have in common to use the same database connection one after the other."""

    user: str
    capabilities: int  # of handshake.SEMANTIC


CONNECT_TIMEOUT_S = 10  # MySQL's connect_timeout
GARBLED = (struct.error, IndexError, ValueError)  # raised by PyMySQL if the peer is not a MySQL server


class Opened(NamedTuple):
    """A connection that is logged in and waits for commands."""

    socket: socket.socket  # does not block
    thread_id: int  # the server's number for it
    tls: TlsChannel | None  # None: not encrypted


def encryption(backend: Backend) -> ssl.SSLContext | None:
    """Return the TLS context for the database; None: without TLS.

    Raises:
        OSError: the authority's file is not there, or not one.

    """
    if backend.authority is None:
        return None
    return client_context(backend.authority, check_hostname=backend.check_hostname)


def open_connection(backend: Backend, identity: Identity, password: str) -> Opened:
    """Open and authenticate a connection; blocks.

    Raises:
        DatabaseRefused: the server answered with an error.
        DatabaseUnavailable: it did not answer, or its certificate is not valid.

    """
    try:
        raw = socket.create_connection((backend.host, backend.port), CONNECT_TIMEOUT_S)
    except OSError as error:
        raise DatabaseUnavailable(str(error)) from error
    with contextlib.ExitStack() as undo:
        undo.enter_context(raw)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread_id, tls = _authenticate(raw, backend, identity, password)
            raw.setblocking(False)
        except OSError as error:  # for example no file descriptor is left, or the peer closes at once
            raise DatabaseUnavailable(str(error)) from error
        undo.pop_all()
        return Opened(raw, thread_id, tls)


def _authenticate(
    raw: socket.socket, backend: Backend, identity: Identity, password: str
) -> tuple[int, TlsChannel | None]:
    context = encryption(backend)
    driver: pymysql.Connection[Cursor] = pymysql.Connection(
        host=backend.host,
        user=identity.user,
        password=password,
        client_flag=identity.capabilities,
        autocommit=None,
        read_timeout=CONNECT_TIMEOUT_S,
        ssl=context,
        ssl_disabled=context is None,
        program_name="poolbench proxy",
        defer_connect=True,
    )
    keeper = _Keeper(context) if context else None
    if keeper:
        driver.ctx = keeper  # type: ignore[attr-defined]
    theirs = raw.dup()
    try:
        driver.connect(theirs)
    except pymysql.MySQLError as error:
        code = error.args[0]
        # Codes from CR_ERROR_FIRST on are PyMySQL's own, as is text in their place; lower ones, the server's.
        if isinstance(code, int) and 0 < code < CR.CR_ERROR_FIRST:
            sqlstate = getattr(error, "sqlstate", None) or "HY000"
            raise DatabaseRefused(code, sqlstate, str(error.args[1])) from error
        if code == CR.CR_AUTH_PLUGIN_CANNOT_LOAD:  # waiting would not help
            raise DatabaseRefused(ER.UNKNOWN_ERROR, "HY000", str(error.args[1])) from error
        raise DatabaseUnavailable(str(error)) from error
    except GARBLED as error:
        raise DatabaseUnavailable(f"the peer is not a MySQL server: {error}") from error
    finally:
        # Not by PyMySQL: its close() would end the session, and garbage collection comes too late.
        if (descriptor := theirs.detach()) >= 0:
            os.close(descriptor)
    return int(driver.thread_id()), keeper.channel if keeper else None  # type: ignore[no-untyped-call]


class _Keeper:
    """Stands in for PyMySQL's SSLContext and for its socket in TLS, to keep a channel that can be taken over.

    That of an SSLSocket cannot: it is bound to a descriptor, which it reads and writes itself.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._raw: socket.socket
        self._plain = b""
        self.channel: TlsChannel

    def wrap_socket(self, raw: socket.socket, server_hostname: str) -> Self:
        """Shake hands."""
        self._raw = raw
        self.channel = TlsChannel(self._context, raw.sendall, server_hostname)
        self._plain = self.channel.receive(b"")
        while not self.channel.shaken:
            self._receive()
        # The other socket methods that PyMySQL calls, besides `makefile` and `read` below.
        self.settimeout, self.sendall, self.close = raw.settimeout, self.channel.send, raw.close
        return self

    def makefile(self, _mode: str) -> Self:
        """Return what `read` is called on."""
        return self

    def read(self, size: int) -> bytes:
        """Wait for that many bytes."""
        while len(self._plain) < size:
            self._receive()
        data, self._plain = self._plain[:size], self._plain[size:]
        return data

    def _receive(self) -> None:
        data = self._raw.recv(CHUNK)
        if not data:
            raise ConnectionError("the database closed the connection")
        self._plain += self.channel.receive(data)


@dataclass(frozen=True, slots=True)
class Facts:
    """The server's settings and versions, as they were when the proxy started; RDS Proxy follows changes.

    Attributes:
        version: as in the server's own greeting, for clients that judge by it what the server can do.
        collations: what `SET NAMES` needs to choose one, by id.

    """

    version: str
    max_connections: int
    autocommit: bool
    charset: int
    collations: Mapping[int, str]

    @property
    def is_mariadb(self) -> bool:
        """Whether it is MariaDB and not MySQL."""
        return "mariadb" in self.version.lower()

    def names(self, collation: int) -> str:
        """Return the operand of `SET NAMES` for a collation, or for the default if the server lacks it."""
        return self.collations.get(collation) or self.collations[self.charset]


def learn(backend: Backend) -> Facts:
    """Ask the database.

    Raises:
        DatabaseUnavailable: it does not answer, or refuses the user.

    """
    try:
        with (
            pymysql.connect(
                host=backend.host,
                port=backend.port,
                user=backend.user,
                password=backend.password,
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=CONNECT_TIMEOUT_S,
                ssl=encryption(backend),
                ssl_disabled=backend.authority is None,
                autocommit=None,
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT @@max_connections, @@global.autocommit, @@collation_server")
            ((max_connections, autocommit, default),) = cursor.fetchall()
            cursor.execute("SELECT id, character_set_name, collation_name FROM information_schema.collations")
            # MariaDB lists collations that fit several character sets without an id.
            collations = {
                int(number): (str(charset), str(name))
                for number, charset, name in cursor.fetchall()
                if number
            }
            return Facts(
                version=connection.get_server_info(),  # type: ignore[no-untyped-call]
                max_connections=int(max_connections),
                autocommit=bool(autocommit),
                charset=next((number for number, (_, name) in collations.items() if name == default), 45),
                collations={
                    number: f"{charset} COLLATE {name}" for number, (charset, name) in collations.items()
                },
            )
    except (pymysql.MySQLError, *GARBLED) as error:
        raise DatabaseUnavailable(f"{backend.host}:{backend.port} as {backend.user}: {error}") from error
