"""A database that hangs, and neither answers nor goes, holds nobody for longer than the borrow timeout."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from poolbench.lab.proxy import Backend, ProxySettings, RunningProxy, running_proxy
from poolbench.lab.proxy.launch import running_relay
from poolbench.lab.proxy.relay import SHORTEST_S
from tests.lab.proxy.conftest import Database, rows, value

pytestmark = pytest.mark.any_server


class Hanging:
    """A proxy, and the way to its database, which hangs while it is stopped."""

    def __init__(self, proxy: RunningProxy, way: int) -> None:
        self.proxy = proxy
        self._way = way

    @contextlib.contextmanager
    def hangs(self) -> Iterator[None]:
        os.kill(self._way, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._way, signal.SIGCONT)


@pytest.fixture
def hanging(database: Database, tmp_path: Path) -> Iterator[Hanging]:
    server = database.server
    with (
        running_relay(server.host, server.port, SHORTEST_S, work_dir=tmp_path) as way,
        running_proxy(
            ProxySettings(connection_borrow_timeout=0.5),
            backend=Backend(way.host, way.port, server.user, server.password),
            accounts=database.accounts,
            work_dir=tmp_path,
        ) as proxy,
    ):
        yield Hanging(proxy, way.child.pid)


def refused(client: Any) -> int:
    """The code with which a statement fails; the client would not wait for ever."""
    with pytest.raises(pymysql.OperationalError) as error:
        rows(client, "SELECT 1")
    return int(error.value.args[0])


def test_while_the_state_of_a_session_is_being_set(database: Database, hanging: Hanging) -> None:
    client, other = database.connect(hanging.proxy.port), database.connect(hanging.proxy.port)
    rows(other, "SET time_zone = '+01:00'")  # the only database connection is now in this state
    with hanging.hangs():
        assert refused(client) == 9501
    assert value(client, "SELECT @@time_zone") != "+01:00"
    assert value(other, "SELECT @@time_zone") == "+01:00"


def test_while_a_database_connection_is_being_opened(database: Database, hanging: Hanging) -> None:
    client, other = database.connect(hanging.proxy.port), database.connect(hanging.proxy.port)
    other.begin()
    with hanging.hangs():
        assert refused(client) == 9501
    assert rows(client, "SELECT 1") == ((1,),)


def test_the_proxy_ends_when_asked_though_it_is_logging_in(database: Database, hanging: Hanging) -> None:
    client, other = database.connect(hanging.proxy.port), database.connect(hanging.proxy.port)
    other.begin()
    with hanging.hangs():
        assert refused(client) == 9501
        hanging.proxy.stop()
    assert hanging.proxy.child.exit_code() == 0  # no patience was lost, and no SIGKILL needed
