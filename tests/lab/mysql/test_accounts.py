from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pymysql
import pytest

from poolbench.lab.mysql import RunningServer, Server, ServerUnavailable, create_users
from tests.lab.mysql.clients import login

SCHEMA = "accounts_tests"


@pytest.fixture
def fresh(server: RunningServer) -> Iterator[Server]:
    yield server.server
    server.server.execute(
        f"DROP DATABASE IF EXISTS {SCHEMA}", "DROP USER IF EXISTS accounts_app, accounts_sampler"
    )


def test_the_schema_holds_any_text_and_its_user_may_do_all_in_it(fresh: Server) -> None:
    create_users(fresh, SCHEMA, {"accounts_app": "secret"})
    with closing(login(fresh, "accounts_app", "secret", schema=SCHEMA)) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE words (word TEXT)")
        cursor.execute("INSERT INTO words VALUES (%s)", ["naïve 🐬"])
        cursor.execute("SELECT word, CHARSET(word) FROM words")
        assert cursor.fetchall() == (("naïve 🐬", "utf8mb4"),)


def test_users_do_not_reach_beyond_the_schema(fresh: Server) -> None:
    create_users(fresh, SCHEMA, {"accounts_app": "secret"})
    with pytest.raises(pymysql.err.OperationalError) as refused:
        login(fresh, "accounts_app", "secret", schema="mysql")
    assert refused.value.args[0] == 1044


def test_only_who_sees_everything_sees_the_connections_of_others(fresh: Server) -> None:
    create_users(
        fresh,
        SCHEMA,
        {"accounts_app": "secret", "accounts_sampler": "secret"},
        observers={"accounts_sampler"},
    )
    seen = {}
    with (
        closing(login(fresh, "accounts_app", "secret")) as app,
        closing(login(fresh, "accounts_sampler", "secret")) as sampler,
    ):
        for name, connection in (("app", app), ("sampler", sampler)):
            cursor = connection.cursor()
            cursor.execute("SHOW PROCESSLIST")
            seen[name] = {row[1] for row in cursor.fetchall()}
    assert seen["app"] == {"accounts_app"}
    assert seen["sampler"] >= {"accounts_app", "accounts_sampler"}


def test_users_that_exist_get_their_new_passwords(fresh: Server) -> None:
    odd = 'it\'s \\ 100% "new"'
    for password in ("old", odd):
        create_users(fresh, SCHEMA, {"accounts_app": password})
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        login(fresh, "accounts_app", "old", schema=SCHEMA)
    login(fresh, "accounts_app", odd, schema=SCHEMA).close()


def test_an_administrator_without_the_right_is_named(fresh: Server) -> None:
    create_users(fresh, SCHEMA, {"accounts_app": "secret"})
    powerless = replace(fresh, user="accounts_app", password="secret")
    with pytest.raises(ServerUnavailable, match="user accounts_app cannot set up schema elsewhere"):
        create_users(powerless, "elsewhere", {})


def test_a_schema_that_is_no_identifier_is_refused(fresh: Server) -> None:
    with pytest.raises(ValueError, match="not a plain identifier"):
        create_users(fresh, "a`b", {})
