"""The drivers, each opening and closing one connection with nothing around it."""

import asyncio
import functools
import importlib
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import URL

from micro.cases import Case

REFERENCE = "PyMySQL"
FAREWELL_S = 0.05


class Encryption(StrEnum):
    """What is spoken on the connection."""

    NONE = "plain"
    SHARED = "TLS, shared context"  # an ssl.SSLContext made once
    OWN = "TLS, driver's own context"  # whatever the driver makes for each connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A driver, and how its `connect` is called."""

    package: str  # to install
    module: str  # to import
    arguments: Mapping[Encryption, Mapping[str, Any]]  # those of encryption, for the kinds that it knows
    database: str = "database"  # what it calls this argument
    is_async: bool = False  # `connect` and the closing are awaited

    def opener(self, url: URL, encryption: Encryption, context: ssl.SSLContext | None) -> Callable[[], Any]:
        """Bind `connect` to its arguments; `context` is for Encryption.SHARED.

        Raises:
            ModuleNotFoundError: the driver is not installed.

        """
        arguments = {
            "host": url.host,
            "port": url.port,
            "user": url.username,
            "password": url.password or "",
            self.database: url.database,
            **self.arguments[encryption],
        }
        if encryption is Encryption.SHARED:
            arguments["ssl"] = context
        return functools.partial(importlib.import_module(self.module).connect, **arguments)

    @contextmanager
    def connecting(self, encryption: Encryption, context: ssl.SSLContext | None, at: URL) -> Iterator[Case]:
        """Open one connection and close it."""
        connect = self.opener(at, encryption, context)
        if not self.is_async:
            yield Case(lambda: connect().close())
            return

        async def connect_and_close() -> None:
            connection = await connect()
            await connection.ensure_closed()  # says COM_QUIT, as the others' close() does

        with closing(asyncio.new_event_loop()) as loop:
            yield Case(lambda: loop.run_until_complete(connect_and_close()))
            # asyncio ends a TLS connection when the peer has said goodbye too, and tells nobody of it.
            loop.run_until_complete(asyncio.sleep(FAREWELL_S))


_ENTRIES = (
    Driver(
        package=REFERENCE,
        module="pymysql",
        arguments={Encryption.NONE: {"ssl_disabled": True}, Encryption.SHARED: {}, Encryption.OWN: {}},
    ),
    Driver(
        package="mysqlclient",
        module="MySQLdb",
        arguments={
            Encryption.NONE: {"ssl_mode": "DISABLED"},
            Encryption.OWN: {"ssl_mode": "REQUIRED"},
        },
    ),
    Driver(
        package="mysql-connector-python",
        module="mysql.connector",
        arguments={Encryption.NONE: {"ssl_disabled": True}, Encryption.OWN: {}},
    ),
    Driver(
        package="asyncmy",
        module="asyncmy",
        arguments={Encryption.NONE: {}, Encryption.SHARED: {}},
        is_async=True,
    ),
    Driver(
        package="aiomysql",
        module="aiomysql",
        arguments={Encryption.NONE: {}, Encryption.SHARED: {}},
        database="db",
        is_async=True,
    ),
)
DRIVERS: Mapping[str, Driver] = MappingProxyType({entry.package: entry for entry in _ENTRIES})
