"""What the proxy must know of the database before it can speak in its place."""

from collections.abc import Mapping
from dataclasses import dataclass

import pymysql

from poolbench.lab.proxy.database import Backend
from poolbench.lab.proxy.database_login import CONNECT_TIMEOUT_S, GARBLED, encryption
from poolbench.lab.proxy.errors import DatabaseUnavailable


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
        """Return what follows `SET NAMES` for a collation; for one that the server lacks, its default's."""
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
