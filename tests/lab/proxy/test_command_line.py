"""Somebody who has the proxy alone finds out from itself how to use it."""

import json
import re
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pymysql
import pytest

from poolbench.lab.proxy import DESCRIPTIONS
from poolbench.lab.proxy.config import ProxyConfig, ProxySettings
from tests.lab.proxy.conftest import USER, Database, rows

BACKEND = {"host": "127.0.0.1", "port": 1, "user": "u", "password": ""}


def run(module: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def shown() -> str:
    """What --help prints."""
    return run("poolbench.lab.proxy", "--help").stdout


def test_help_has_every_setting_and_failure(shown: str) -> None:
    for name in [*ProxySettings().as_dict(), *DESCRIPTIONS]:
        assert f"\n  {name} " in shown, name
    assert max(map(len, shown.splitlines())) <= 120


def test_the_configuration_that_help_shows_is_one(shown: str) -> None:
    match = re.search(r"echo '(.*?)' \|", shown, re.DOTALL)
    assert match
    config = ProxyConfig.parse(match[1])
    assert (config.listeners["main"].port, config.settings.idle_client_timeout) == (3307, 60)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "proxy: not JSON: "),
        ('{"backend": {}}', "proxy: "),
        (
            json.dumps({"backend": BACKEND | {"authority": "/there/is/none"}, "accounts": {}}),
            "proxy: /there/is/none: no certificate of an authority can be read there: ",
        ),
        (
            json.dumps({"backend": BACKEND, "accounts": {}, "host": "10.0.0.1"}),
            "proxy: host: 10.0.0.1 is not loopback; set RequireTLS",
        ),
    ],
)
def test_a_bad_configuration_is_one_line_that_says_what_to_do(text: str, says: str) -> None:
    done = run("poolbench.lab.proxy", "-", text=text)
    assert done.returncode == 1
    assert done.stderr.startswith(says)
    assert len(done.stderr.splitlines()) == 1


def test_the_relay_says_how_it_is_used_and_refuses_a_time_out_of_range() -> None:
    assert "HOST PORT SECONDS" in run("poolbench.lab.proxy.relay", "--help").stdout
    done = run("poolbench.lab.proxy.relay", "127.0.0.1", "3306", "7")
    assert done.returncode == 2
    assert done.stderr.endswith("error: round-trip time: 7.0 is out of range, 0.0002 to 1.0 s\n")


def test_away_from_loopback_it_serves_tls_alone_with_certificates_made_by_command(
    database: Database, tmp_path: Path
) -> None:
    files = json.loads(run("poolbench.lab.certificates", str(tmp_path / "tls")).stdout)
    assert Path(files["key"]).stat().st_mode & 0o077 == 0
    server = database.server
    config: dict[str, Any] = {
        "backend": {
            "host": server.host,
            "port": server.port,
            "user": server.user,
            "password": server.password,
        },
        "accounts": dict(database.accounts),
        "settings": {"RequireTLS": True},
        "tls": files,
        "host": "0.0.0.0",  # noqa: S104 (that is the point)
    }
    with subprocess.Popen(
        [sys.executable, "-m", "poolbench.lab.proxy", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(config))
        process.stdin.close()
        announced = json.loads(process.stdout.readline())
        port = announced["ports"]["main"]
        with pytest.raises(pymysql.OperationalError) as error:
            database.connect(port)
        assert error.value.args[0] == 3159
        context = ssl.create_default_context(cafile=files["authority"])
        request = Request(f"{announced['control_url']}/settings", b'{"RequireTLS": false}', method="PUT")  # noqa: S310
        with pytest.raises(HTTPError) as refused:
            urlopen(request)  # noqa: S310
        assert b"0.0.0.0 is not loopback; set RequireTLS" in refused.value.read()
        refused.value.close()
        client = database.connect(port, ssl_disabled=False, ssl=context)
        assert rows(client, "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)") == ((USER,),)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
