"""Logging in to a server as anybody."""

import ssl

import pymysql
from pymysql.cursors import Cursor

from poolbench.lab.mysql import Server


def login(
    server: Server, user: str, password: str, *, schema: str | None = None, tls: ssl.SSLContext | None = None
) -> "pymysql.Connection[Cursor]":
    return pymysql.connect(
        host=server.host,
        port=server.port,
        user=user,
        password=password,
        database=schema,
        ssl=tls,
        ssl_disabled=tls is None,
    )


def administrator(server: Server, tls: ssl.SSLContext | None = None) -> "pymysql.Connection[Cursor]":
    return login(server, server.user, server.password, tls=tls)
