"""README's example of somebody's own engine, request and database, run as it is printed."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest

from poolbench.lab.mysql import RunningServer, create_users
from tests.users import User

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PASSWORD = "p w+x/y:@"
FILE = """
name = "own"
description = "Somebody's own engine and request."
seed = 1
idle_client_timeout_s = 2

[factors]
strategies = ["mine:make_engine"]
gaps = [0.4, 1.5]

[request]
workload = "mine:ask"
requests = 2
deadline_s = 3

[repetition]
lanes = 6
"""


@pytest.fixture
def owner(user: User) -> User:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (user.folder / "mine.py").write_text(f"{example}\n\ndef make_nothing(url):\n    return None\n")
    (user.folder / "own.toml").write_text(FILE)
    return user


def database(server: RunningServer, *, wants_tls: bool = False) -> str:
    """URL of somebody's own schema, whose user may do nothing elsewhere, nor in plain if `wants_tls`."""
    found = server.server
    create_users(found, "shop", {"shopper": PASSWORD})
    found.execute("DROP TABLE IF EXISTS shop.items", "CREATE TABLE shop.items (id INT PRIMARY KEY)")
    found.execute(f"ALTER USER shopper@'%' REQUIRE {'SSL' if wants_tls else 'NONE'}")
    query = f"?ssl_ca={found.tls_ca}" if wants_tls else ""
    return f"mysql://shopper:{quote(PASSWORD, safe='')}@{found.host}:{found.port}/shop{query}"


@pytest.mark.slow
def test_the_example_of_the_readme_runs_on_a_database_of_ones_own(owner: User, server: RunningServer) -> None:
    url = database(server, wants_tls=server.server.tls_ca is not None)
    code, output = owner.run("campaign", "own.toml", "--url", url)
    assert code == 0, output
    assert PASSWORD not in output
    by_gap = {
        (row["strategy"], row["gap_ratio"]): row["outcome"]
        for row in owner.rows(role="measure", request=0, aa_control=False)
    }
    assert by_gap["mine:make_engine", 1.5] == "reconnected"  # its recycle is below the timeout
    assert by_gap["queuepool", 1.5] == "error"
    assert by_gap["queuepool", 0.4] == "ok"
    assert server.server.execute("SHOW TABLES FROM shop") == [("items",)]  # and nothing was made there
    assert owner.left_over() == {}


@pytest.mark.any_server
@pytest.mark.slow
def test_without_the_proxy_nothing_ends_a_connection_of_a_server_that_waits_for_hours(
    owner: User, server: RunningServer
) -> None:
    url = database(server, wants_tls=server.server.tls_ca is not None)
    if "?" in url:  # as through a tunnel: by a name that its certificate does not know
        url = url.replace("127.0.0.1", "127.1") + "&ssl_check_hostname=false"
    code, output = owner.run("campaign", "own.toml", "--url", url, "--failure", "wait_timeout")
    assert code == 0, output
    assert {row["route"] for row in owner.rows()} == {"database"}
    assert {row["outcome"] for row in owner.rows(strategy="queuepool")} == {"ok"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "mysql://a:b@127.0.0.1:1/x"], "nothing answers at 127.0.0.1:1: Can't connect"),
        (["--url", "mysql://a:b@127.0.0.1:1/x?ssl_ca=none.pem"], "/none.pem: no authority's certificate"),
        (["--url", "postgres://a:b@127.0.0.1:1/x"], "the server's URL is not mysql://user:password@host"),
        (
            ["--url", "mysql://a:b@127.0.0.1:1/x", "--failure", "server_restart_direct"],
            "--url: server_restart_direct would stop or fill your database",
        ),
        (["--url", "mysql://a:b@127.0.0.1:1/x", "--server", "mariadbd"], "give one of them"),
        (["--failure", "idle_clos"], "unknown 'idle_clos': did you mean 'idle_close'?"),
        (["--strategy", "mine:make_nothing"], "mine:make_nothing made NoneType, not a sqlalchemy.Engine"),
        (["--strategy", "mine:nothing"], "has no attribute 'nothing'"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_measured(
    owner: User, arguments: list[str], message: str
) -> None:
    code, output = owner.run("campaign", "own.toml", *arguments)
    assert code in (1, 2)
    assert message in output
    assert "Traceback" not in output
    assert owner.objects("*/header.json") == []
