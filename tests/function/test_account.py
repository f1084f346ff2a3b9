"""The user that the sampler makes for itself where nobody else can reach the database."""

import secrets

import pymysql
import pytest
from sqlalchemy import URL, create_engine, text

from poolbench.function.config import Secret
from poolbench.function.sampler import create_account
from poolbench.lab.mysql import RunningServer, create_users


@pytest.fixture
def administrator(server: RunningServer) -> URL:
    """Like the first user of an RDS instance: may make users, and is not root."""
    found, password = server.server, secrets.token_urlsafe(12)
    create_users(found, "rds", {"rds_first": password}, observers={"rds_first"})
    with found.connect() as connection, connection.cursor() as cursor:
        cursor.execute("GRANT CREATE USER, PROCESS ON *.* TO rds_first@'%' WITH GRANT OPTION")
        cursor.execute("GRANT ALL PRIVILEGES ON rds.* TO rds_first@'%' WITH GRANT OPTION")
    return URL.create("mysql+pymysql", "rds_first", password, found.host, found.port, "rds")


def test_the_new_user_sees_the_connections_of_others(administrator: URL) -> None:
    mine = Secret("sampler_rds", "it's 100% secret", "rds")
    watched = pymysql.connect(
        host=administrator.host or "",
        port=administrator.port or 0,
        user=administrator.username,
        password=str(administrator.password),
    )
    for _ in range(2):  # the second time it is there already
        maker = create_engine(administrator)
        create_account(maker, mine, sees_everything=True)
        maker.dispose()
    engine = create_engine(administrator.set(username=mine.username, password=mine.password))
    with engine.connect() as connection:
        users = {row["User"] for row in connection.execute(text("SHOW PROCESSLIST")).mappings()}
        connection.execute(text("CREATE TABLE of_mine (id INT)"))
        connection.execute(text("DROP TABLE of_mine"))
    engine.dispose()
    watched.close()
    assert {"rds_first", "sampler_rds"} <= users


def test_an_ordinary_user_sees_its_own_connections_alone(administrator: URL) -> None:
    maker = create_engine(administrator)
    with maker.connect():
        create_account(maker, Secret("plain", "secret", "rds"))
        engine = create_engine(administrator.set(username="plain", password="secret"))
        with engine.connect() as connection:
            users = {row["User"] for row in connection.execute(text("SHOW PROCESSLIST")).mappings()}
        engine.dispose()
    maker.dispose()
    assert users == {"plain"}


def test_a_password_that_changed_is_set_again(administrator: URL) -> None:
    maker = create_engine(administrator)
    create_account(maker, Secret("sampler_again", "old", "rds"))
    create_account(maker, Secret("sampler_again", "new", "rds"))
    maker.dispose()
    engine = create_engine(administrator.set(username="sampler_again", password="new"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()
