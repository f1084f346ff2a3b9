"""What we use of other packages' internals is checked at start: one clear error says what has changed."""

from collections.abc import Callable
from importlib import metadata
from typing import Any

import pymysql.connections
import pytest
from sqlalchemy.engine.default import DefaultDialect

from poolbench.function import internals
from poolbench.function.internals import INTERNALS, ChangedInternals, check_internals
from poolbench.function.probe import count_commands
from tests.test_lock import CAMPAIGN, versions

Change = Callable[[pytest.MonkeyPatch], None]
Connection: Any = pymysql.connections.Connection


def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Connection, "_execute_command")


def other_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(self: Any, command: int, sql: str, attributes: dict[str, str]) -> None: ...

    monkeypatch.setattr(Connection, "_execute_command", execute)


def not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "ping", lambda _self, reconnect=False: reconnect)


def no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Connection, "_sock")


def pings_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DefaultDialect, "_do_ping_w_event", lambda _self, connection: connection.ping())


CHANGES = [
    (gone, "pymysql", "Connection._execute_command(command, sql)"),
    (other_arguments, "pymysql", "Connection._execute_command(command, sql)"),
    (not_called, "pymysql", "Connection._execute_command in Connection.ping"),
    (no_socket, "pymysql", "Connection._sock"),
    (pings_by_itself, "sqlalchemy", "Dialect.do_ping in DefaultDialect._do_ping_w_event"),
]


@pytest.mark.parametrize(
    ("change", "package", "missing"), CHANGES, ids=lambda part: getattr(part, "__name__", "")
)
def test_a_change_is_told_with_package_version_name_and_cure(
    monkeypatch: pytest.MonkeyPatch, change: Change, package: str, missing: str
) -> None:
    change(monkeypatch)
    with pytest.raises(ChangedInternals) as told:
        check_internals()
    message = str(told.value)
    assert message.startswith(f"{package} {metadata.version(package)} does not have {missing}, ")
    assert f"pip install {package}=={INTERNALS[package]}" in message


def test_it_is_told_before_anything_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    gone(monkeypatch)
    with pytest.raises(ChangedInternals):
        count_commands()


def test_these_versions_have_what_is_needed() -> None:
    check_internals()


@pytest.mark.parametrize("package", INTERNALS)
def test_the_version_to_install_is_the_one_that_all_tests_ran_with(package: str) -> None:
    assert INTERNALS[package] == versions(CAMPAIGN)[package]


def test_a_compiled_package_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "ping", len)  # has no Python code to look into
    monkeypatch.setattr(internals, "_PASSES_THROUGH", ("ping",))
    check_internals()
