"""Tokens: who comes in with them, and for how long."""

import time
from contextlib import closing
from pathlib import Path

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.lab.proxy import Backend, ProxySettings, Tokens, running_proxy
from tests.lab.proxy.conftest import OTHER_USER, SCHEMA, USER, Database

KEY = "signed-with-this"
VALID_S = 2.0  # the time that a busy machine has to log in


@given(user=st.text(max_size=20), other=st.text(max_size=20), key=st.text(min_size=1, max_size=20))
def test_a_token_is_accepted_of_its_user_and_key_alone(user: str, other: str, key: str) -> None:
    tokens = Tokens(key)
    issued = tokens.issue(user)
    assert tokens.accept(user, issued)
    assert tokens.accept(other, issued) is (other == user)
    assert not Tokens(key + "x").accept(user, issued)


@given(st.text(max_size=90))
def test_what_nobody_signed_is_no_token(text: str) -> None:
    assert not Tokens(KEY).accept(USER, text)
    assert not Tokens(KEY).accept(USER, f"9999999999999:{text}")


@pytest.mark.any_server
def test_a_token_that_is_over_is_denied_and_a_new_one_lets_in(database: Database, tmp_path: Path) -> None:
    server = database.server
    backend = Backend(host=server.host, port=server.port, user=USER, password=database.accounts[USER])
    tokens = Tokens(KEY)
    with running_proxy(
        ProxySettings(), backend=backend, accounts=database.accounts, tokens={USER: tokens}, work_dir=tmp_path
    ) as proxy:

        def connect(user: str, password: str) -> "pymysql.Connection[pymysql.cursors.Cursor]":
            return pymysql.connect(
                host=proxy.host, port=proxy.port, user=user, password=password, database=SCHEMA
            )

        first = Tokens(KEY, valid_s=VALID_S).issue(USER)
        over = time.monotonic() + VALID_S
        with closing(connect(USER, first)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER()")
            assert str(cursor.fetchall()[0][0]).startswith(USER)
            time.sleep(max(0.0, over - time.monotonic()))
            cursor.execute("SELECT 1")  # what is logged in stays so
        for denied in (first, database.accounts[USER], ""):
            with pytest.raises(pymysql.err.OperationalError, match="Access denied") as error:
                connect(USER, denied)
            assert error.value.args[0] == 1045
        connect(USER, tokens.issue(USER)).close()
        connect(OTHER_USER, database.accounts[OTHER_USER]).close()  # and others come with passwords
