"""Conditions that a campaign file sets: the other SQLAlchemy, TLS, a driver that is not there."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from poolbench.targets.functions import library_variables
from tests.users import User

FILE = """
name = "conditions"
description = "Other conditions than the usual ones."
seed = 1
idle_client_timeout_s = 2
tls = true
sqlalchemy = "2.0"

[factors]
strategies = ["queuepool", "nullpool", "pre_ping"]
drivers = [{drivers}]
gaps = [1.5]

[request]
requests = 2
deadline_s = 3

[repetition]
lanes = 8
"""


@pytest.mark.slow
def test_sqlalchemy_2_0_and_tls_lose_and_recover_as_the_usual_ones_do(user: User) -> None:
    (user.folder / "conditions.toml").write_text(FILE.format(drivers='"pymysql", "asyncmy"'))
    code, output = user.run("campaign", "conditions.toml")
    assert code == 0, output
    (path,) = (user.folder / "runs").glob("*/header.json")
    header = json.loads(path.read_text())
    assert header["versions"]["sqlalchemy"].startswith("2.0.")
    assert not metadata.version("sqlalchemy").startswith("2.0.")
    assert header["target"]["tls"] is True
    samples = pq.read_table(path.parent / "connections.parquet").to_pylist()
    assert any(one["metric"] == "ClientConnectionsTLS" and one["value"] > 0 for one in samples)
    assert set(header["drivers"]) == {"pymysql", "asyncmy"}
    first = {
        (row["driver"], row["strategy"]): row
        for row in user.rows(role="measure", request=0, aa_control=False, baseline=False)
    }
    for driver in ("pymysql", "asyncmy"):
        assert first[driver, "queuepool"]["error_code"] == 2013
        assert first[driver, "nullpool"]["outcome"] == "ok"
        assert first[driver, "pre_ping"]["outcome"] == "reconnected"
    # The one that knows TLS from the inside: a connect takes longer, and no command more.
    assert first["pymysql", "nullpool"]["wire_commands"] == 6


def test_a_c_extension_is_loaded_whatever_an_environment_went_through_before() -> None:
    throws = "greenlet.greenlet(lambda: 1 // 0).switch()"
    lines = [
        "import runtime_client, greenlet",
        "try:",
        f"    {throws}",
        "except ZeroDivisionError:",
        "    pass",
    ]
    lines += ["import mysql.connector", "print(mysql.connector.HAVE_CEXT)"]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, env={**os.environ, **library_variables()}, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"True\n", b"")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"pymysql"', '"mysqlclient"', "mysqlclient is not installed: `poolbench lab install-mysqlclient`"),
        ('"pymysql"', '"mysqlclent"', "unknown 'mysqlclent': did you mean 'mysqlclient'?"),
        ('"2.0"', '"1.4"', "sqlalchemy: unknown '1.4': there are 2.0, 2.1"),
        ("tls = true", "tls = 1", "tls is 1, not bool"),
    ],
)
def test_conditions_that_cannot_be_had_are_told_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str, message: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing-cached"))
    (tmp_path / "conditions.toml").write_text(FILE.format(drivers='"pymysql"').replace(before, after))
    code, output = User(tmp_path).run("campaign", "conditions.toml")
    assert (code, message in output) == (2, True), output
