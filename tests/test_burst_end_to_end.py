"""Bursts as a user runs them: real server, proxy, fleet of frozen environments; counts are exact."""

import json
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from poolbench.report.load import load
from poolbench.report.metrics.bursts import BurstRow, ConnectionCount, burst_table
from tests.users import TIMEOUT_S, User, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

# A server of 14 connections, of which the sampler has one and the proxy may have 9.
CAMPAIGN = """
name = "burst"
description = "Few, and more than the server has room for."
seed = 5
idle_client_timeout_s = 1.0
connection_borrow_timeout_s = 5.0
[factors]
strategies = ["queuepool", "nullpool"]
failures = ["idle_close", "direct"]
environments = [3, 18]
threads = [8]
[request]
workload = "slow"
requests = 3
deadline_s = 6
[burst]
tail_timeouts = 2.0
max_connections = 14
max_connections_percent = 65
"""
ROOM, PROXYS = 13, 9
FEW, MANY = (3, 1), (18, 1)

Rows = dict[tuple[str, str, int, int], BurstRow]


@pytest.fixture(scope="module")
def burst(tmp_path_factory: pytest.TempPathFactory) -> User:
    user = User(tmp_path_factory.mktemp("burst"))
    (user.folder / "burst.toml").write_text(CAMPAIGN)
    code, output = user.run("campaign", "burst.toml")
    assert code == 0, output
    (user.folder / "output").write_text(output)
    return user


@pytest.fixture(scope="module")
def directory(burst: User) -> Path:
    (path,) = (burst.folder / "runs").glob("*/rows.parquet")
    return path.parent


@pytest.fixture(scope="module")
def rows(directory: Path) -> Rows:
    return {
        (row.label, row.route, row.environments, row.threads): row for row in burst_table(load([directory]))
    }


def counted(found: ConnectionCount | None) -> ConnectionCount:
    assert found is not None
    return found


def environments(rows: Iterable[dict[str, Any]]) -> set[str]:
    return {row["environment"] for row in rows}


def test_each_environment_of_a_cell_took_part_once_and_at_the_same_time(burst: User) -> None:
    for cell in {row["cell"] for row in burst.rows()}:
        mine = burst.rows(cell=cell)
        assert len(environments(mine)) == mine[0]["environments"]
        assert len(mine) == mine[0]["environments"] * mine[0]["threads"] * 3
        assert {row["initialization"] for row in mine} == {"provisioned-concurrency"}
        first = [row for row in mine if row["request"] == 0]
        assert max(row["started_wall_ns"] for row in first) < min(row["done_wall_ns"] for row in first) + 2e9


@pytest.mark.parametrize("shape", [FEW, MANY])
def test_a_pool_leaves_a_connection_at_the_proxy_for_each_environment_until_its_timeout(
    rows: Rows, shape: tuple[int, int]
) -> None:
    clients = counted(rows["queuepool", "proxy", *shape].clients)
    assert (clients.peak, clients.left) == (shape[0], shape[0])
    assert 0.5 < clients.gone_s < 2.0 * 1.0  # as long as it is watched


@pytest.mark.parametrize("shape", [FEW, MANY])
@pytest.mark.parametrize("endpoint", ["proxy", "database"])
def test_no_pool_leaves_nothing(rows: Rows, endpoint: str, shape: tuple[int, int]) -> None:
    row = rows["nullpool", endpoint, *shape]
    assert counted(row.clients if endpoint == "proxy" else row.database).left == 0


def test_threads_of_one_environment_leave_as_many_as_the_pool_keeps(rows: Rows) -> None:
    row = rows["queuepool", "proxy", 1, 8]
    assert counted(row.clients).left == 5
    assert counted(rows["queuepool", "database", 1, 8].database).left == 5
    assert row.failed_count == 0


def test_the_proxy_opens_no_more_than_it_may_and_loses_nothing(rows: Rows) -> None:
    for label in ("queuepool", "nullpool"):
        row = rows[label, "proxy", *MANY]
        assert counted(row.database).peak <= PROXYS < counted(row.clients).peak
        assert row.failed_count == 0


def test_without_a_proxy_environments_that_the_server_has_no_room_for_get_1040(
    burst: User, rows: Rows
) -> None:
    row = rows["queuepool", "database", *MANY]
    assert counted(row.database).left == ROOM
    assert set(row.errors) == {"1040"}
    mine = burst.rows(label="queuepool", route="database", environments=MANY[0])
    served = environments(each for each in mine if each["outcome"] == "ok")
    assert len(served) == ROOM
    lost = [each for each in mine if each["environment"] not in served]
    assert len(lost) == 3 * (MANY[0] - ROOM)
    assert {each["error_message"] for each in lost} == {"Too many connections"}
    assert {each["error_phase"] for each in lost} == {"checkout"}


def test_without_a_proxy_nobody_closes_what_is_left(rows: Rows) -> None:
    database = counted(rows["queuepool", "database", *FEW].database)
    assert (database.left, database.gone_s) == (3, float("inf"))


def test_the_control_touches_no_server(rows: Rows) -> None:
    control = rows["no_database", "proxy", *MANY]
    assert (control.clients, control.database, control.failed_count, control.connects) == (None, None, 0, 0)


def test_the_report_opens_with_what_the_most_environments_did(burst: User, directory: Path) -> None:
    page = (directory / "report.html").read_text()
    assert "<h1>18 concurrent environments: connections by strategy</h1>" in page
    assert "18 left open afterwards, closed after" in page
    pictures = {path.stem for path in (directory / "figures").iterdir()}
    assert pictures == {"concurrency", "leak", "burst_latency"}  # of threads there is one number alone
    summary = json.loads((directory / "summary.json").read_text())
    assert {row["label"] for row in summary["bursts"]} == {
        "queuepool",
        "nullpool",
        "queuepool-twin",
        "no_database",
    }
    assert "clients to proxy" in (burst.folder / "output").read_text()


def test_nothing_is_left_of_the_fleet(burst: User) -> None:
    assert burst.left_over() == {}


SHORT = """
name = "short"
description = "Just enough to be interrupted."
seed = 5
idle_client_timeout_s = 1.0
[factors]
strategies = ["queuepool", "nullpool"]
environments = [2]
threads = [3]
[request]
requests = 2
[burst]
think_s = 0.2
"""
CELLS = 7  # two strategies and the twin, in two shapes each, and the control


def test_ctrl_c_leaves_bursts_that_go_on_where_they_stopped(user: User) -> None:
    (user.folder / "short.toml").write_text(SHORT)
    process = user.start("campaign", "short.toml")
    wait_for(lambda: user.objects("*/cells/*"), timeout_s=TIMEOUT_S)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, output
    assert user.left_over() == {}
    finished = user.objects("*/cells/*")
    assert 0 < len(finished) < CELLS
    before = {path: path.stat().st_mtime_ns for path in finished}

    code, output = user.run("campaign", "short.toml", "--resume")
    assert code == 0, output
    assert len(user.objects("*/cells/*")) == CELLS
    assert {path: path.stat().st_mtime_ns for path in finished} == before
    counted = user.rows(counted=True)
    assert len(counted) == (4 * 2 + 3 * 3) * 2  # cells x threads in all x requests
    facts = ("cell", "environment", "thread", "request")
    assert len({tuple(row[name] for name in facts) for row in counted}) == len(counted)
