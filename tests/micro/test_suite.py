"""The suite run for real."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from micro.cases import Group
from poolbench.function.strategies import STRATEGIES
from poolbench.lab.platform import LOOPBACK, free_port
from poolbench.lab.process import Child
from poolbench.lab.proxy import Backend, ProxySettings
from poolbench.lab.proxy.config import MAIN, ProxyConfig
from tests.micro.conftest import PASSWORD, run_suite, text_of

pytestmark = pytest.mark.any_server
Benchmarks = dict[tuple[str, str], dict[str, Any]]


@pytest.mark.slow
def test_every_question_is_answered(benchmarks: Benchmarks) -> None:
    assert {group for group, _ in benchmarks} == set(Group)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "name", "commands"),
    [
        (Group.SELF, "nothing", 0),
        (Group.COMMAND, "ping", 1),
        (Group.COMMAND, "SELECT 1", 1),
        (Group.COMMAND, "SELECT by primary key", 1),
        (Group.COMMAND, "COMMIT of an update", 1),
        (Group.COMMAND, "ROLLBACK of nothing", 1),
        (Group.CHECKOUT, "queuepool", 1),
        (Group.CHECKOUT, "pre_ping", 2),
        (Group.CHECKOUT, "nullpool", 5),
        (Group.CHECKOUT, "no_reset", 0),
        (Group.REQUEST, "no_reset", 2),
        (Group.REQUEST, "autocommit", 1),
        (Group.REQUEST, "queuepool", 2),
        (Group.REQUEST, "recycle", 2),
        (Group.REQUEST, "pre_ping", 3),
        (Group.REQUEST, "nullpool", 6),
        (Group.NEW_ENGINE, "queuepool", 12),
        (Group.CONNECT, "PyMySQL-plain", 3),
        (Group.CONNECT, "PyMySQL-TLS, shared context", None),
        (Group.RECOVERY, "nullpool", 6),
        (Group.RECOVERY, "pre_ping", 7),
        (Group.RECOVERY, "queuepool, sent again", 7),
        (Group.THREADS, "nullpool", 480),
        (Group.PATH, "queuepool-proxy-+1 ms", 2),
    ],
)
def test_commands_on_the_wire(benchmarks: Benchmarks, group: Group, name: str, commands: int | None) -> None:
    assert benchmarks[group, name]["extra_info"]["wire_commands"] == commands


@pytest.mark.slow
def test_each_benchmark_says_with_what_it_was_made(benchmarks: Benchmarks) -> None:
    for (group, name), benchmark in benchmarks.items():
        info = benchmark["extra_info"]
        assert info["server"]
        assert info["driver"].startswith("PyMySQL ") or group == Group.CONNECT
        assert len(info["reference_s"]) == len(benchmark["stats"]["data"]) == 1
        assert benchmark["options"]["disable_gc"]
        if group in (Group.REQUEST, Group.CHECKOUT):
            assert info["strategy"] == name
            assert name in STRATEGIES


@pytest.mark.slow
def test_tails_and_ratios_stand_below_the_usual_tables(whole_run: tuple[Path, str]) -> None:
    printed = whole_run[1]
    assert printed.index("Legend:") < printed.index("tails, and ratios to the reference")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (None, "no MySQL server: "),
        ("nonsense", "--mysql-url is not a URL: "),
        ("postgresql://user:secret@localhost/bench", "--mysql-url is not the URL of a MySQL server: "),
        (f"mysql://user:secret@127.0.0.1:{free_port()}/bench", "Can't connect"),
    ],
)
def test_no_server_is_an_error_of_one_line_with_the_three_ways_to_get_one(
    url: str | None, complaint: str
) -> None:
    done = run_suite("-q", *(["--mysql-url", url] if url else []))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = (line for line in (done.stdout + done.stderr).splitlines() if complaint in line)
    assert all(way in line for way in ("--mysql-url mysql://", "container", "make bench"))
    assert "secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_wrong_credentials_are_an_error_of_one_line(database_url: URL) -> None:
    done = run_suite("-q", "--mysql-url", text_of(database_url.set(password="wr0ng-one")))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in done.stdout.splitlines() if "Access denied" in line]
    assert len(lines) == 1
    assert f"{database_url.host}:{database_url.port}" in lines[0]
    assert "wr0ng-one" not in done.stdout


def test_a_url_without_database_names_the_cure(database_url: URL) -> None:
    done = run_suite("-q", "--mysql-url", text_of(database_url.set(database="")))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "names no database: add /NAME at its end" in done.stdout
    assert PASSWORD not in done.stdout


def test_the_server_may_come_from_the_environment(database_url: URL) -> None:
    done = run_suite(
        "-q", "--rounds", "1", "-k", "ping", environment={"POOLBENCH_DATABASE_URL": text_of(database_url)}
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def without_tls(database_url: URL, tmp_path: Path) -> Iterator[URL]:
    """The same server by way of a proxy that has no certificate."""
    host, port, user = database_url.host or "", database_url.port or 0, database_url.username or ""
    config = ProxyConfig(
        backend=Backend(host=host, port=port, user=user, password=PASSWORD),
        accounts={user: PASSWORD},
        settings=ProxySettings(),
    )
    file = tmp_path / "proxy.json"
    file.write_text(config.dump())
    command = (sys.executable, "-m", "poolbench.lab.proxy", file)
    child = Child(command, log=tmp_path / "proxy.log", announces=True)
    try:
        yield database_url.set(host=LOOPBACK, port=child.announcement["ports"][MAIN])
    finally:
        child.stop()


def test_without_tls_on_the_server_only_what_needs_it_is_skipped_and_the_reason_given(
    without_tls: URL,
) -> None:
    done = run_suite(
        "-q", "--rounds", "1", "-k", "connect and PyMySQL or same", "--mysql-url", text_of(without_tls)
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed, 2 skipped" in done.stdout
    assert "the server does not speak TLS" in done.stdout


def test_a_proxy_that_was_named_and_does_not_answer_is_a_failure(database_url: URL) -> None:
    nobody = text_of(database_url.set(port=free_port()))
    done = run_suite(
        *("-q", "--rounds", "1", "-k", "path and queuepool and not haproxy"),
        *("--mysql-url", text_of(database_url), "--proxy-url", nobody),
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "2 passed, " in done.stdout
    assert ", 2 errors in " in done.stdout
    assert "--proxy-url: the MySQL server at 127.0.0.1" in done.stdout
    assert "Traceback" not in done.stdout
    assert PASSWORD not in done.stdout


def test_rounds_below_one_are_refused(database_url: URL) -> None:
    done = run_suite("-q", "--mysql-url", text_of(database_url), "--rounds", "0")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--rounds is 0: give 1 or more" in done.stdout + done.stderr


def test_a_pytest_benchmark_that_keeps_its_session_elsewhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(
        "import pytest\n\n\n@pytest.hookimpl(tryfirst=True)\ndef pytest_sessionstart(session):\n"
        "    session.config.elsewhere = vars(session.config).pop('_benchmarksession')\n"
    )
    done = run_suite("-p", "elsewhere", "--collect-only", environment={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "does not have config._benchmarksession" in done.stdout + done.stderr
    assert "pip install pytest-benchmark==" in done.stdout + done.stderr
