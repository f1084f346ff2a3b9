"""The sampler's own database user, made by the sampler: on AWS nobody else reaches the database.

In the lab the lab makes it.
"""

from sqlalchemy import Engine, text

from bench.function.config import Secret

ADMINISTRATOR = "POOLBENCH_ADMINISTRATOR_SECRET"  # of who may make users; where it is not set, none is made


def create_account(administrator: Engine, secret: Secret) -> None:
    """Create a user who may do everything in its schema and sees everybody's connections.

    One that exists already gets the password.
    """
    who = {"user": secret.username, "password": secret.password}
    with administrator.connect() as connection:
        schema = connection.dialect.identifier_preparer.quote_identifier(secret.dbname)
        connection.execute(text("CREATE USER IF NOT EXISTS :user@'%' IDENTIFIED BY :password"), who)
        connection.execute(text("ALTER USER :user@'%' IDENTIFIED BY :password"), who)
        connection.execute(text(f"GRANT ALL PRIVILEGES ON {schema}.* TO :user@'%'"), who)
        connection.execute(text("GRANT PROCESS ON *.* TO :user@'%'"), who)
