"""Every password that the lab draws is marked, and the mark is looked for in all that a campaign shows."""

import contextlib
import ipaddress
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from poolbench.lab.mysql import running_server
from tests.harm.sockets import listeners
from tests.users import User, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]
CANARY = "canary7f3a"
MARKING = f"""
import secrets
drawn = secrets.token_urlsafe
secrets.token_urlsafe = lambda nbytes=None: "{CANARY}" + drawn(nbytes)
"""
# An engine that tells its password to whoever asks, in the error that its connections end with.
TALKATIVE = """
import sqlalchemy

def make(url):
    def connect():
        plain = url.render_as_string(hide_password=False)
        raise ConnectionError(f"<i>cannot</i> connect with {url.password}, {plain}")
    return sqlalchemy.create_engine(url, creator=connect)

def broken(url):
    raise RuntimeError(f"no engine for {url.render_as_string(hide_password=False)}")
"""


@pytest.fixture
def marked(user: User, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> User:
    """A user whose lab draws marked passwords."""
    folder = tmp_path_factory.mktemp("marking")
    (folder / "sitecustomize.py").write_text(MARKING)
    (user.folder / "talkative.py").write_text(TALKATIVE)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    return user


def readable(path: Path) -> bytes:
    """A file's content, Parquet unpacked."""
    return repr(pq.read_table(path).to_pylist()).encode() if path.suffix == ".parquet" else path.read_bytes()


def files_that_tell(folder: Path) -> list[Path]:
    """Files with the mark; those that vanish meanwhile tell nobody."""
    told = []
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and CANARY.encode() in readable(path):
                told.append(path)
    return told


def open_to_others(path: Path, top: Path) -> bool:
    """Whether others may read a file; a directory above it may keep them out."""
    way = [path, *(folder for folder in path.parents if top in folder.parents)]
    return all(part.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) for part in way)


def command_lines(user: User, process: subprocess.Popen[str]) -> Iterator[str]:
    """Command lines of everything below, again and again, until the campaign is over."""
    while process.poll() is None:
        yield from user.left_over().values()
        time.sleep(0.05)


def test_passwords_are_nowhere_to_be_read_and_nothing_listens_beyond_this_machine(marked: User) -> None:
    process = marked.start("campaign", "smoke")
    wait_for(lambda: marked.objects("*/rows/*/*"))
    (lab,) = marked.folder.glob("poolbench-lab-*")
    with_passwords = files_that_tell(lab)
    assert with_passwords, "the mark does not show where it must"
    assert not [path for path in with_passwords if open_to_others(path, marked.folder)]
    assert not [path for path in with_passwords if path.suffix == ".log"]
    listening = listeners(marked.left_over())
    parts = 3 + 9 + 1  # server, proxy, Lambda service; a Runtime API for each lane and for the sampler
    assert len(listening) >= parts
    assert [where for where in listening if not ipaddress.ip_address(where[0]).is_loopback] == []
    assert not [line for line in command_lines(marked, process) if CANARY in line]
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert CANARY not in output
    assert files_that_tell(marked.folder) == []


def test_a_proxy_that_dies_takes_its_passwords_along(marked: User) -> None:
    process = marked.start("campaign", "smoke")
    wait_for(lambda: marked.objects("*/rows/*/*"))
    (proxy,) = [pid for pid, command in marked.left_over().items() if "poolbench.lab.proxy" in command]
    os.kill(proxy, signal.SIGKILL)
    output, _ = process.communicate()
    assert process.returncode == 1, output
    assert CANARY not in output
    assert files_that_tell(marked.folder) == []


def test_an_error_that_tells_the_password_is_recorded_without_it(marked: User) -> None:
    code, output = marked.run("campaign", marked.short(), "--strategy", "talkative:make")
    assert code == 0, output
    errors = {row["error_message"] for row in marked.rows(label="talkative:make")}
    assert errors, "the strategy was not measured"
    assert all(error.startswith("<i>cannot</i> connect with ***, mysql") for error in errors)
    (page,) = (marked.folder / "runs").glob("*/*.html")
    assert "&lt;i&gt;cannot&lt;/i&gt;" in page.read_text()
    assert "<i>cannot" not in page.read_text()
    assert CANARY not in output
    assert files_that_tell(marked.folder) == []


def test_the_password_of_ones_own_database_stays_with_it(
    marked: User, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = f"{CANARY}-own"
    with running_server(work_dir=tmp_path_factory.mktemp("own")) as own:
        own.server.execute(
            "CREATE SCHEMA own_database",
            f"CREATE USER own_user@'%' IDENTIFIED BY '{password}'",
            "GRANT ALL ON own_database.* TO own_user@'%'",
        )
        at = f"{own.server.host}:{own.server.port}"
        monkeypatch.setenv("POOLBENCH_URL", f"mysql://own_user:{password}@{at}/own_database")
        code, output = marked.run("campaign", marked.short())
        assert (code, CANARY in output) == (0, False), output
        assert files_that_tell(marked.folder) == []
        monkeypatch.setenv("POOLBENCH_URL", f"mysql://own_user:{password}-not@{at}/own_database")
        code, output = marked.run("campaign", marked.short())
    assert (code, CANARY in output) == (1, False), output
    assert "own_user" in output


def test_an_engine_that_cannot_be_made_is_named_without_the_password(marked: User) -> None:
    code, output = marked.run("campaign", marked.short(), "--strategy", "talkative:broken")
    assert code == 1, output
    assert "EngineFailed: RuntimeError: no engine for mysql" in output
    assert CANARY not in output
    assert files_that_tell(marked.folder) == []
