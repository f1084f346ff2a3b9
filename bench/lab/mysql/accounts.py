"""The schema and the users of a lab, on whatever server it runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pymysql

from bench.lab.mysql.server import Server, ServerUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A database user."""

    name: str
    password: str = field(repr=False)
    sees_everything: bool = False  # everybody's connections and the server's status


def create_accounts(server: Server, schema: str, accounts: Sequence[Account]) -> None:
    """Create the schema (utf8mb4) and the users, or give existing ones their new passwords.

    Raises:
        ServerUnavailable: the administrator may not do that.

    """
    statements = [f"CREATE DATABASE IF NOT EXISTS {schema} CHARACTER SET utf8mb4"]
    for account in accounts:
        user = f"'{account.name}'@'%'"
        statements += [
            f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{account.password}'",
            f"ALTER USER {user} IDENTIFIED BY '{account.password}'",
            f"GRANT ALL PRIVILEGES ON {schema}.* TO {user}",
        ]
        if account.sees_everything:
            statements.append(f"GRANT PROCESS ON *.* TO {user}")
    try:
        server.execute(*statements)
    except pymysql.Error as error:
        raise ServerUnavailable(f"user {server.user} cannot set up schema {schema}: {error}") from error
