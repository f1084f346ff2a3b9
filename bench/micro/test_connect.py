"""Opening and closing one connection with the driver alone, against a plain one without TLS."""

import ssl
from typing import Any

import pymysql
import pytest
from sqlalchemy import URL

from bench.micro.paired import Paired

GROUP = "connect and close"


def arguments(url: URL) -> dict[str, Any]:
    return {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": str(url.password or ""),
        "database": url.database,
    }


def plain(url: URL) -> None:
    pymysql.connect(**arguments(url), ssl_disabled=True).close()


@pytest.mark.benchmark(group=GROUP)
def test_pymysql_plain(url: URL, paired: Paired) -> None:
    paired(lambda: plain(url), reference=lambda: plain(url), driver="pymysql", wire_commands=3)


@pytest.mark.benchmark(group=GROUP)
def test_pymysql_tls_shared_context(url: URL, tls: ssl.SSLContext, paired: Paired) -> None:
    paired(
        lambda: pymysql.connect(**arguments(url), ssl=tls).close(),
        reference=lambda: plain(url),
        driver="pymysql",
        wire_commands=3,
    )


@pytest.mark.benchmark(group=GROUP)
@pytest.mark.usefixtures("tls")
def test_pymysql_tls_default_context(url: URL, paired: Paired) -> None:
    """PyMySQL's default: TLS if the server has it, and a new context for each connection."""
    paired(
        lambda: pymysql.connect(**arguments(url)).close(),
        reference=lambda: plain(url),
        rounds=50,
        driver="pymysql",
        wire_commands=3,
    )


@pytest.mark.benchmark(group=GROUP)
def test_mysqlclient_plain(url: URL, paired: Paired) -> None:
    driver = pytest.importorskip("MySQLdb", reason="mysqlclient is not installed")
    paired(
        lambda: driver.connect(**arguments(url), ssl_mode="DISABLED").close(),
        reference=lambda: plain(url),
        driver="mysqldb",
    )


@pytest.mark.benchmark(group=GROUP)
def test_mysqlconnector_plain(url: URL, paired: Paired) -> None:
    driver = pytest.importorskip("mysql.connector", reason="mysql-connector-python is not installed")
    paired(
        lambda: driver.connect(**arguments(url), ssl_disabled=True).close(),
        reference=lambda: plain(url),
        driver="mysqlconnector",
    )
