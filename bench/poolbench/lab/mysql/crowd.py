"""A server that is full, because others hold all its connections."""

import contextlib
import time

import pymysql
from pymysql.constants import ER

from poolbench.lab.mysql.server import Server

_RELEASE_TIMEOUT_S = 10.0


class Crowd:
    """Holds every connection that a server still allows."""

    def __init__(self, server: Server, user: str, password: str) -> None:
        """Set up; `user` must not be privileged, for those get a connection more."""
        self._server, self._user, self._password = server, user, password
        self._held: list[pymysql.Connection[pymysql.cursors.Cursor]] = []

    def gather(self) -> None:
        """Connect until the server says that it has too many connections (1040)."""
        with contextlib.suppress(_Full):
            while True:
                self._held.append(self._connect())

    def leave(self) -> None:
        """Close them all, and wait until the server has noticed."""
        while self._held:
            self._held.pop().close()
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
