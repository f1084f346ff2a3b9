"""What behaviour tests share: one real server of each kind for the whole run."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mysql.connector  # noqa: F401 (first: after pyarrow there is no room for its C extension's thread storage)
import pytest
from hypothesis import settings

from poolbench.cli.main import main
from poolbench.lab.mysql import RunningServer, ServerUnavailable, installed_mysql, running_server
from tests.users import Poolbench, User

# Everywhere as Hypothesis does on CI: a busy machine breaks no deadline, and a run can be repeated.
settings.load_profile("ci")
# Where pytest runs in the background of a shell, Ctrl-C is ignored, by it and by all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _choices() -> list[str]:
    """Servers to test on: POOLBENCH_SERVER alone, or the default one and real MySQL where it was fetched."""
    if forced := os.environ.get("POOLBENCH_SERVER"):
        return [forced]
    try:
        return ["default", installed_mysql().source]
    except ServerUnavailable:
        return ["default"]


CHOICES = _choices()


def pytest_report_header() -> str:
    """Say which servers the behaviour tests run on."""
    hint = "" if len(CHOICES) > 1 else " (`poolbench lab install-mysql` adds real MySQL)"
    return f"servers: {', '.join(name.rpartition('@')[2] for name in CHOICES)}{hint}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what is the same on every server on the first one alone."""
    again = [item for item in items if item.get_closest_marker("any_server") and not _on_first_server(item)]
    config.hook.pytest_deselected(items=again)
    items[:] = [item for item in items if item not in again]


def _on_first_server(item: pytest.Item) -> bool:
    parametrized = getattr(item, "callspec", None)
    return parametrized is None or parametrized.params.get("server_choice", CHOICES[0]) == CHOICES[0]


@pytest.fixture(scope="session", params=CHOICES, ids=lambda name: name.rpartition("@")[2])
def server_choice(request: pytest.FixtureRequest) -> str | None:
    """What `running_server` is asked for; tests that depend on it run once for each kind of server."""
    choice: str = request.param
    return None if choice == "default" else choice


@pytest.fixture(scope="session")
def server(server_choice: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one database server for all: tests make schemas and users of their own and do not restart it."""
    with running_server(server_choice, work_dir=tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> User:
    """A user who has run the smoke campaign."""
    user = User(tmp_path_factory.mktemp("smoke"))
    code, output = user.run("campaign", "smoke")
    assert code == 0, output
    (user.folder / "output").write_text(output)
    return user


@pytest.fixture
def poolbench(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Poolbench:
    """Run the command line in this process, which saves its imports, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = capsys.readouterr()
        code: Any = ended.value.code
        return int(code), said.out + said.err

    return run


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    """A user whose processes are gone after the test, come what may."""
    made = User(tmp_path)
    yield made
    for pid in made.left_over():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
