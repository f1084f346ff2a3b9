"""What is kept of an error."""

import pymysql
import pytest
from sqlalchemy.exc import OperationalError

from poolbench.function.measure import describe


def test_the_drivers_own_error_is_told_with_sqlalchemys_verdict() -> None:
    original = pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")
    failure = describe(OperationalError("SELECT 1", {}, original, connection_invalidated=True))
    assert failure.error_class == "pymysql.err.OperationalError"
    assert (failure.error_code, failure.connection_invalidated) == (2013, True)
    assert failure.error_message == "Lost connection to MySQL server during query"


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (
            "<Task coro=<run() running at /home/somebody/venv/lib/python3.13/site-packages/x/y.py:20>>",
            "<Task coro=<run() running at y.py:20>>",
        ),
        ("Can't connect to '/var/run/mysqld/mysqld.sock'", "Can't connect to '/var/run/mysqld/mysqld.sock'"),
        ("a/b and 1/2", "a/b and 1/2"),
    ],
)
def test_where_code_lies_is_nobodys_business(message: str, kept: str) -> None:
    assert describe(RuntimeError(message)).error_message == kept
