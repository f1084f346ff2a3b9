"""The server under test: found, checked and seeded, or refused in one line."""

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from poolbench.function.workload import seed

WAYS = (
    "give --mysql-url mysql://user:password@host:3306/database, start a container as the README shows and "
    "give its URL, or let the lab have one: make bench"
)


class NoServer(Exception):
    """No server, or one that cannot be used; one line tells how to get one, without the password."""


def parse(option: str, given: str) -> URL:
    """Complete a URL for PyMySQL.

    Raises:
        NoServer: it is not one of a MySQL database.

    """
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise NoServer(f"{option} is not a URL: {WAYS}") from None
    if url.get_backend_name() not in ("mysql", "mariadb") or not url.host:
        raise NoServer(f"{option} is not the URL of a MySQL server: {WAYS}")
    if not url.database:
        raise NoServer(f"{option} names no database: add /NAME at its end")
    url = url.set(drivername="mysql+pymysql", port=url.port or 3306)
    return url.update_query_dict({"charset": "utf8mb4"})


def prepare(url: URL) -> str:
    """Seed the table; what `VERSION()` says.

    Raises:
        NoServer: nobody answers, or not to this user, or it may not create a table.

    """
    engine = create_engine(url, connect_args={"ssl_disabled": True, "connect_timeout": 5})
    try:
        seed(engine)
        with engine.connect() as connection:
            version: str = connection.execute(text("SELECT VERSION()")).scalar_one()
    except (SQLAlchemyError, RuntimeError) as error:  # RuntimeError: PyMySQL's word for a missing package
        reason = str(getattr(error, "orig", error))
        raise NoServer(
            f"the MySQL server at {url.host}:{url.port} cannot be used: {reason}; {WAYS}"
        ) from error
    finally:
        engine.dispose()
    return version
