"""The schema and the users of a lab, on whatever server it runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pymysql

from poolbench.lab.mysql.server import Server, ServerUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A database user, who may do everything within the schema."""

    name: str
    password: str = field(repr=False)
    sees_everything: bool = False  # everybody's connections, too


def create_accounts(server: Server, schema: str, accounts: Sequence[Account]) -> None:
    """Create the schema (utf8mb4) and the users, or give existing ones their new passwords.

    Args:
        server: where, as its administrator.
        schema: a plain identifier.
        accounts: may come from any address.

    Raises:
        ServerUnavailable: the administrator may not do that.

    """
    if not schema.isidentifier():
        raise ValueError(f"schema {schema!r} is not a plain identifier")
    try:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{schema}` CHARACTER SET utf8mb4")
            for account in accounts:
                cursor.execute("CREATE USER IF NOT EXISTS %s@'%%'", (account.name,))
                cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", [account.name, account.password])
                cursor.execute(f"GRANT ALL PRIVILEGES ON `{schema}`.* TO %s@'%%'", (account.name,))
                if account.sees_everything:
                    cursor.execute("GRANT PROCESS ON *.* TO %s@'%%'", (account.name,))
    except pymysql.Error as error:
        raise ServerUnavailable(f"user {server.user} cannot set up schema {schema}: {error}") from error
