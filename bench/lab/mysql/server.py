"""A MySQL-compatible server, as the rest of the lab sees it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import pymysql
from pymysql.cursors import Cursor


class ServerUnavailable(Exception):
    """No server can be had, or it does not do what the lab needs; the message names the ways out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What the lab asks of a private server."""

    max_connections: int = 600
    wait_timeout_s: int = 28800  # MySQL's default


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a server listens, and its administrator."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    flavour: str  # mysql or mariadb
    version: str
    source: str  # how it was had: url, docker, mysqld, mariadbd or apt

    @contextlib.contextmanager
    def connect(self) -> Iterator["pymysql.Connection[Cursor]"]:
        """Connect as the administrator."""
        connection = pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            autocommit=True,
            ssl_disabled=True,
            connect_timeout=5,
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

    server: Server

    def restart(self) -> None:
        """Stop it and start it again on the same port, with the same data.

        Raises:
            ServerUnavailable: it is not ours to restart.

        """

    def kill(self) -> None:
        """End it without warning.

        Raises:
            ServerUnavailable: it is not ours to kill.

        """


def flavour_of(version: str) -> str:
    """Tell MariaDB from MySQL by what `VERSION()` or `--version` says."""
    return "mariadb" if "mariadb" in version.lower() else "mysql"
