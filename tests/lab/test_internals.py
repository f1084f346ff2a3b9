"""A release of another package that lacks what the lab relies on is named at start, in one line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pymysql.connections import Connection

from poolbench.lab import internals
from poolbench.lab.aws import AwsUnavailable, running_aws
from poolbench.lab.internals import MissingInternals, check_moto, check_pymysql


def test_the_installed_releases_have_what_is_needed() -> None:
    check_moto()
    check_pymysql()


def test_a_moto_without_its_dispatcher_names_itself_and_the_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    changed = {"moto/core/config.py": ("gone_option",), "moto/gone.py": ("Dispatcher",)}
    monkeypatch.setattr(internals, "_MOTO", changed)
    says = (
        r"moto \d[\d.]* lacks gone_option in moto/core/config\.py, Dispatcher in moto/gone\.py, "
        r"which the lab relies on; install a release that has it: "
        r"pip install 'moto>=5\.0\.20,<6'"
    )
    with pytest.raises(MissingInternals, match=says):
        check_moto()
    with pytest.raises(AwsUnavailable, match=says), running_aws([], work_dir=tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_pymysql_that_no_longer_wraps_its_socket_names_itself_and_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Connection, "_request_authentication", lambda self: self.ctx)
    monkeypatch.delattr(Connection, "_read_bytes")
    with pytest.raises(MissingInternals) as changed:
        check_pymysql()
    assert re.fullmatch(
        r"PyMySQL \d[\d.]* lacks wrap_socket in Connection\._request_authentication, "
        r"makefile in Connection\._request_authentication, _rfile in Connection\._read_bytes, "
        r"read in Connection\._read_bytes, which the lab relies on; "
        r"install a release that has it: pip install 'pymysql>=1\.1,<2'",
        str(changed.value),
    )


def test_the_proxy_says_it_in_one_line_and_ends() -> None:
    program = (
        "from pymysql.connections import Connection\n"
        "del Connection._read_bytes\n"
        "from poolbench.lab.proxy.__main__ import main\n"
        "main(['-'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input="{}", capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("proxy: PyMySQL ")
    assert len(done.stderr.splitlines()) == 1
