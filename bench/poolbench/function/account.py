"""Database users that the sampler makes, itself first: on AWS nobody else reaches the database.

In the lab the lab makes them.
"""

from sqlalchemy import Engine, text

from poolbench.function.config import Secret

ADMINISTRATOR = "POOLBENCH_ADMINISTRATOR_SECRET"  # of who may make users; where it is not set, none is made
# Of who comes to the proxy with tokens, and in whose name the proxy comes with this.
TOKEN_USER = "POOLBENCH_TOKEN_USER_SECRET"  # noqa: S105 (a variable's name)


def create_account(administrator: Engine, secret: Secret, *, sees_everything: bool = False) -> None:
    """Create a user who may do everything in its schema, or give an existing one its password.

    Args:
        administrator: who may create users.
        secret: the user's.
        sees_everything: everybody's connections, too.

    """
    who = {"user": secret.username, "password": secret.password}
    with administrator.connect() as connection:
        schema = connection.dialect.identifier_preparer.quote_identifier(secret.dbname)
        connection.execute(text("CREATE USER IF NOT EXISTS :user@'%' IDENTIFIED BY :password"), who)
        connection.execute(text("ALTER USER :user@'%' IDENTIFIED BY :password"), who)
        connection.execute(text(f"GRANT ALL PRIVILEGES ON {schema}.* TO :user@'%'"), who)
        if sees_everything:
            connection.execute(text("GRANT PROCESS ON *.* TO :user@'%'"), who)
