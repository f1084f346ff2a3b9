"""A MySQL-compatible server, as the rest of the lab sees it, and its users."""

import contextlib
import ssl
import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import quote

import pymysql
from pymysql.constants import ER
from pymysql.cursors import Cursor

_ASK_TIMEOUT_S = 5.0
URL = "url"  # source of a user-supplied server


class ServerUnavailable(Exception):
    """No server is available, or it lacks what the lab needs; the message says what to do."""


class BadServer(ServerUnavailable):
    """The choice is neither a server's URL nor a known kind of server."""


class NotThere(ServerUnavailable):
    """This machine does not have that kind of server, which is not an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Limits of a server that the lab runs; a user-supplied one keeps its settings."""

    max_connections: int = 600
    wait_timeout_s: int = 28800  # MySQL's default


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a server listens, its administrator, and its own description."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    source: str  # where it came from: url, docker, mysqld, mariadbd, apt or mysql-prefix
    tls_ca: Path | None = None  # authority of its certificate, where the lab made that or the URL names it
    check_hostname: bool = True  # whether its certificate must name `host`
    flavour: str = ""  # mysql or mariadb
    version: str = ""  # as VERSION() says it
    max_connections: int = 0

    def asked(self) -> Self:
        """Connect, and return the description that the server completes.

        Raises:
            pymysql.Error: it does not answer, or not to this administrator.

        """
        # The timeout is for programs that accept the connection and never answer.
        with self.connect(read_timeout_s=_ASK_TIMEOUT_S) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT VERSION(), @@max_connections")
            ((version, limit),) = cursor.fetchall()
        return replace(self, flavour=flavour_of(version), version=version, max_connections=limit)

    @property
    def url(self) -> str:
        """URL of the administrator; holds the password."""
        return f"mysql://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{self.host}:{self.port}/"

    @property
    def wants_tls(self) -> bool:
        """Whether every connection must use TLS, as for a URL that names an authority."""
        return self.source == URL and self.tls_ca is not None

    def encryption(self) -> dict[str, Any]:
        """Arguments of PyMySQL's `connect`."""
        if not self.wants_tls:
            return {"ssl_disabled": True}
        context = ssl.create_default_context(cafile=self.tls_ca)
        context.check_hostname = self.check_hostname
        return {"ssl": context}

    @contextlib.contextmanager
    def connect(self, read_timeout_s: float | None = None) -> Iterator["pymysql.Connection[Cursor]"]:
        """Connect as the administrator, with autocommit."""
        connection = pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            autocommit=True,
            connect_timeout=_ASK_TIMEOUT_S,
            read_timeout=read_timeout_s,
            **self.encryption(),
        )
        with contextlib.closing(connection):
            yield connection

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the administrator; the rows of the last one."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())


class RunningServer(Protocol):
    """A server that the lab may restart or kill, as campaigns with failures do."""

    @property
    def server(self) -> Server:
        """Where it listens; the same before and after a restart."""

    @property
    def pid(self) -> int | None:
        """Process id on this machine; None where it has none."""

    def restart(self) -> None:
        """Stop it, so that clients see their connections closed, and start it on the same port and data.

        Raises:
            ServerUnavailable: it is not ours, or did not come back.

        """

    def kill(self) -> None:
        """End it without warning.

        Raises:
            ServerUnavailable: it is not ours.

        """


def flavour_of(version: str) -> str:
    """Tell MariaDB from MySQL by what `VERSION()` or `--version` says."""
    return "mariadb" if "mariadb" in version.lower() else "mysql"


def create_users(
    server: Server, schema: str, accounts: Mapping[str, str], *, observers: Container[str] = ()
) -> None:
    """Create the schema (utf8mb4) and the users, or give existing ones their new passwords.

    Args:
        server: where, as its administrator.
        schema: a plain identifier.
        accounts: user to password; from any address, they may do everything within the schema.
        observers: those of the users who see everybody's connections, too.

    Raises:
        ServerUnavailable: the administrator may not do that.

    """
    if not schema.isidentifier():
        raise ValueError(f"schema {schema!r} is not a plain identifier")
    try:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{schema}` CHARACTER SET utf8mb4")
            for name, password in accounts.items():
                cursor.execute("CREATE USER IF NOT EXISTS %s@'%%'", (name,))
                cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", [name, password])
                cursor.execute(f"GRANT ALL PRIVILEGES ON `{schema}`.* TO %s@'%%'", (name,))
                if name in observers:
                    cursor.execute("GRANT PROCESS ON *.* TO %s@'%%'", (name,))
    except pymysql.Error as error:
        raise ServerUnavailable(f"user {server.user} cannot set up schema {schema}: {error}") from error


_RELEASE_TIMEOUT_S = 10.0


class ConnectionHog:
    """Takes every connection that a server still allows."""

    def __init__(self, server: Server, user: str, password: str) -> None:
        """Set up; `user` must not be privileged, because privileged users get an extra connection."""
        self._server, self._user, self._password = server, user, password
        self._open: list[pymysql.Connection[pymysql.cursors.Cursor]] = []

    def take_all(self) -> None:
        """Connect until the server says that it has too many connections (1040)."""
        with contextlib.suppress(_Full):
            while True:
                self._open.append(self._connect())

    def release(self) -> None:
        """Close them all, and wait until the server has noticed."""
        while self._open:
            self._open.pop().close()
        give_up_at = time.monotonic() + _RELEASE_TIMEOUT_S
        while True:
            try:
                self._connect().close()
            except _Full:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.01)
            else:
                return

    def _connect(self) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        server = self._server
        try:
            return pymysql.connect(
                host=server.host,
                port=server.port,
                user=self._user,
                password=self._password,
                **server.encryption(),
            )
        except pymysql.err.OperationalError as error:
            if error.args[0] == ER.CON_COUNT_ERROR:
                raise _Full(str(error)) from error
            raise


class _Full(Exception):
    """The server has no connection left."""
