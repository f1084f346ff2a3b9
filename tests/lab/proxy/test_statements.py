"""What a statement does to its session is read from its text, and nothing is read into it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.lab.proxy.statements import (
    NO_EFFECT,
    UNTRACKED_VARIABLE,
    USER_VARIABLE,
    Kill,
    _read,
    effect_of,
    split,
    statements_of,
)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM settings WHERE user = 'SET @x = 1'",
        "select `set`, `@x` from t",
        "INSERT INTO t VALUES ('LOCK TABLES t WRITE; SET sql_mode = x')",
        "SELECT 1 -- SET @x = 1",
        "SELECT 1 # SET @x = 1",
        "SELECT /* SET @x = 1 */ 1",
        "SELECT @@session.autocommit, @x",
        "SET GLOBAL max_connections = 10",
        "SET @@global.max_connections = 10",
        "SET PERSIST max_connections = 10",
        "SET autocommit = 0",
        "SET PASSWORD = 'x'",
        "SET STATEMENT max_statement_time = 1 FOR SELECT 1",
        "CREATE PROCEDURE p() BEGIN SET @x = 1; SET sql_mode = ''; END",
        "CREATE OR REPLACE DEFINER = `a`@`%` FUNCTION f() RETURNS INT RETURN GET_LOCK('a', 1)",
        "CALL p()",
        "BEGIN",
        "SELECT 'last_insert_id()'",
        "",
        ";;",
    ],
)
def test_these_leave_the_session_as_it_is(text: str) -> None:
    assert effect_of(text.encode()).pin is None
    assert effect_of(text.encode()).variables == ()
    assert effect_of(text.encode()).schema is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SET @x = 1", USER_VARIABLE),
        ("SET @`a b` = 1", USER_VARIABLE),
        ("SELECT @x := 5", USER_VARIABLE),
        ("SELECT v INTO @x FROM t", USER_VARIABLE),
        ("SET NAMES utf8mb4, @x = 1", USER_VARIABLE),
        ("CALL p(1, @x)", USER_VARIABLE),
        ("GET DIAGNOSTICS @n = NUMBER", USER_VARIABLE),
        ("LOAD DATA INFILE 'f' INTO TABLE t (@x) SET a = @x", USER_VARIABLE),
        ("SET sql_auto_is_null = 0", UNTRACKED_VARIABLE),
        ("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI')", UNTRACKED_VARIABLE),
        ("SET time_zone = (SELECT '+00:00')", UNTRACKED_VARIABLE),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET TRANSACTION"),
        ("SET ROLE admin", "SET ROLE"),
        ("PREPARE s FROM 'SELECT 1'", "prepared statement"),
        ("LOCK TABLES t WRITE", "LOCK TABLES"),
        ("lock table t read", "LOCK TABLES"),
        ("FLUSH TABLES WITH READ LOCK", "LOCK TABLES"),
        ("SELECT GET_LOCK('a', 1)", "GET_LOCK()"),
        ("select get_lock ('a', 1)", "GET_LOCK()"),
        ("SELECT LAST_INSERT_ID()", "LAST_INSERT_ID()"),
        ("CREATE TEMPORARY TABLE t (a INT)", "temporary table"),
        ("CREATE OR REPLACE TEMPORARY TABLE t (a INT)", "temporary table"),
        ("/* hint */ CREATE /*!50000 TEMPORARY */ TABLE t (a INT)", "temporary table"),
        ("SELECT 1; SET @x = 1", USER_VARIABLE),
        ("XA START 'x'", "XA transaction"),
    ],
)
def test_these_pin(text: str, reason: str) -> None:
    assert effect_of(text.encode()).pin == reason


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("SET NAMES utf8mb4", [("names", "utf8mb4")]),
        ("set names 'utf8mb4' collate 'utf8mb4_bin'", [("names", "'utf8mb4' collate 'utf8mb4_bin'")]),
        ("SET CHARACTER SET latin1", [("character set", "latin1")]),
        ("SET time_zone = '+03:00'", [("time_zone", "'+03:00'")]),
        ("SET @@session.time_zone := 'SYSTEM'", [("time_zone", "'SYSTEM'")]),
        ("SET LOCAL wait_timeout = 60", [("wait_timeout", "60")]),
        ("SET `sql_mode` = DEFAULT", [("sql_mode", "DEFAULT")]),
        ("SET LOCAL max_sort_length = 8", [("max_sort_length", "8")]),
        (
            "SET character_set_results = NULL, autocommit = 1, sql_mode = 'ANSI'",
            [("character_set_results", "NULL"), ("sql_mode", "'ANSI'")],
        ),
        ("SET GLOBAL wait_timeout = 5, SESSION wait_timeout = 6", [("wait_timeout", "6")]),
        (
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
            [("isolation level", "ISOLATION LEVEL READ COMMITTED"), ("access mode", "READ ONLY")],
        ),
    ],
)
def test_these_are_tracked_and_do_not_pin(text: str, variables: list[tuple[str, str]]) -> None:
    effect = effect_of(text.encode())
    assert effect.pin is None
    assert list(effect.variables) == variables


def test_schemas_are_followed() -> None:
    assert effect_of(b"USE shop").schema == "shop"
    assert effect_of(b"use `my ``shop`").schema == "my `shop"
    assert effect_of(b"USE a; USE b").schema == "b"
    assert effect_of(b"DROP DATABASE IF EXISTS shop").dropped == ("shop",)
    again = effect_of(b"DROP DATABASE shop; CREATE DATABASE shop; USE shop")
    assert (again.schema, again.dropped) == ("shop", ())


def test_kills_are_aimed() -> None:
    assert effect_of(b"KILL QUERY 12").kill == Kill(12, query_only=True)
    assert effect_of(b"kill connection 12").kill == Kill(12, query_only=False)
    assert effect_of(b"KILL 12").kill == Kill(12, query_only=False)


def test_statements_are_cut_at_semicolons_that_separate() -> None:
    text = "SET a = ';'; /* ; */ SET b = `;`; -- ;\nSELECT 1;"
    assert statements_of(text) == [b"SET a = ';'", b"/* ; */ SET b = `;`", b"-- ;\nSELECT 1"]


@given(st.binary(max_size=300))
def test_any_text_can_be_read(text: bytes) -> None:
    _read(b"SET " + text)
    _read(text + b" @")


@given(st.text(alphabet="ab'\"`;/*-# \\\n", max_size=60))
def test_cutting_loses_no_word(text: str) -> None:
    words = [word for statement in split(text.encode()) for word in statement]
    assert all(word in text for word in words)


@pytest.mark.parametrize("bomb", [b"/*", b"'", b'"', b"`", b"\\", b"--", b"'\\", b"@"])
def test_no_text_takes_long_to_read(bomb: bytes) -> None:
    """A text that takes quadratic time would stop the proxy for everybody."""

    def spent(size: int) -> float:
        began = time.process_time()
        for _ in range(3):
            _read(b"SET " + bomb * (size // len(bomb)))
        return time.process_time() - began

    spent(1000)
    assert spent(16_000) < 40 * max(spent(1_000), 1e-4)


def test_ordinary_statements_share_one_effect() -> None:
    assert effect_of(b"SELECT v FROM t WHERE id = 17") is NO_EFFECT
