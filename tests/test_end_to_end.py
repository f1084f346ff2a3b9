"""The whole chain as a user runs it: real server, proxy, frozen functions, boto3, store, report."""

import html
import signal
import sys
from typing import Any

import pyarrow.parquet as pq
import pytest

from perf.campaign import campaign_overlap
from poolbench.campaign.file import CampaignFile
from tests.users import TIMEOUT_S, User, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


TIMEOUT_OF_SMOKE_S = 1.0


def first_after_gap(user: User, strategy: str, gap_ratio: float) -> list[dict[str, Any]]:
    return user.rows(label=strategy, gap_ratio=gap_ratio, role="measure", request=0)


def test_beyond_the_timeout_the_default_pool_loses_the_first_request_with_2013(smoke: User) -> None:
    for label in ("queuepool", "queuepool-twin"):
        lost = first_after_gap(smoke, label, 1.5)
        assert len(lost) == 2
        for row in lost:
            assert (row["outcome"], row["error_class"]) == ("error", "pymysql.err.OperationalError")
            assert row["error_code"] == 2013
            assert row["error_message"] == "Lost connection to MySQL server during query"
            assert row["error_phase"] == "execute"
            assert row["connection_invalidated"] is True
            assert row["connection_idle_s"] >= 1.5


def test_the_request_after_the_lost_one_reconnects(smoke: User) -> None:
    after = smoke.rows(label="queuepool", gap_ratio=1.5, role="measure", request=1)
    assert [(row["outcome"], row["connects"]) for row in after] == [("reconnected", 1)] * 2


def test_below_the_timeout_nothing_is_lost(smoke: User) -> None:
    measured = [row for row in smoke.rows(role="measure") if row["gap_ratio"] < 1]
    assert len(measured) == 2 * 6 * 2 * 2  # gaps x labels x visits x requests
    # A machine with too much to do may make a gap longer than it was to be.
    in_time = [row for row in measured if (row["connection_idle_s"] or 0) < TIMEOUT_OF_SMOKE_S]
    assert {row["outcome"] for row in in_time} <= {"ok", "reconnected"}
    assert any(row["gap_ratio"] > 0 and row["label"] == "queuepool" for row in in_time)


# Beyond the timeout: NullPool connects as always; recycle replaces the connection before it is used;
# pre-ping finds it dead, which costs the ping on top.
@pytest.mark.parametrize(
    ("strategy", "outcome", "commands"),
    [("nullpool", "ok", 6), ("recycle", "reconnected", 6), ("pre_ping", "reconnected", 7)],
)
def test_each_cure_loses_nothing_and_shows_its_price(
    smoke: User, strategy: str, outcome: str, commands: int
) -> None:
    rows = first_after_gap(smoke, strategy, 1.5)
    assert [(row["outcome"], row["wire_commands"], row["connects"]) for row in rows] == [
        (outcome, commands, 1)
    ] * 2


def test_the_control_touches_no_server(smoke: User) -> None:
    control = smoke.rows(label="no_database", role="measure")
    assert len(control) == 12
    assert {(row["outcome"], row["wire_commands"], row["connection_id"]) for row in control} == {
        ("ok", None, None)
    }


def test_every_environment_was_provisioned_frozen_and_never_replaced(smoke: User) -> None:
    rows = smoke.rows()
    of_function: dict[str, set[str]] = {}
    for row in rows:
        assert row["initialization"] == "provisioned-concurrency"
        of_function.setdefault(row["function"], set()).add(row["environment"])
    assert len(of_function) == 9
    assert all(len(environments) == 1 for environments in of_function.values())


def test_no_two_measured_windows_overlap(smoke: User) -> None:
    (directory,) = (path.parent for path in (smoke.folder / "runs").glob("*/rows.parquet"))
    assert campaign_overlap(directory) > 0  # raises if they do


def test_connections_were_sampled_on_both_sides_of_the_proxy(smoke: User) -> None:
    (path,) = (smoke.folder / "runs").glob("*/connections.parquet")
    samples = pq.read_table(path).to_pylist()
    metrics = {(sample["source"], sample["metric"]) for sample in samples}
    assert metrics >= {
        ("server", "Threads_connected"),
        ("server", "connections"),
        ("proxy", "ClientConnections"),
        ("proxy", "DatabaseConnections"),
    }
    groups = {sample["group"] for sample in samples if sample["metric"] == "ClientConnections"}
    assert groups >= {"queuepool", "queuepool-twin", "recycle", "pre_ping"}


def test_the_proxy_tells_of_each_connection_that_it_closed_before_a_request_was_lost(smoke: User) -> None:
    (path,) = (smoke.folder / "runs").glob("*/events.parquet")
    events = pq.read_table(path).to_pylist()
    closed = {event["client"]: event["wall_ns"] for event in events if event["kind"] == "idle_close"}
    lost = smoke.rows(outcome="error")
    assert lost
    assert [row for row in lost if closed[row["connection_id"]] >= row["started_wall_ns"]] == []


def test_the_output_ends_with_the_table_its_warnings_and_the_reports_place(smoke: User) -> None:
    output = (smoke.folder / "output").read_text()
    assert "report: runs/" in output
    place = output.rpartition("report: ")[2].split()[0]
    page = (smoke.folder / place).read_text()
    assert "queuepool" in output
    warnings = [line for line in output.splitlines() if line.startswith("warning: ")]
    assert f"warning: environments were frozen by SIGSTOP only: {smoke.rows()[0]['campaign']}" in warnings
    assert all(line.removeprefix("warning: ") in html.unescape(page) for line in warnings)
    assert page.lower().startswith("<!doctype html>")
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_nothing_is_left_behind(smoke: User) -> None:
    assert smoke.left_over() == {}
    assert list(smoke.folder.glob("poolbench-lab-*")) == []


@pytest.mark.slow
def test_ctrl_c_leaves_a_campaign_that_goes_on_where_it_stopped(user: User) -> None:
    process = user.start("campaign", "smoke")
    wait_for(lambda: user.objects("*/cells/*"))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, output
    assert "to go on: poolbench campaign smoke" in output
    assert user.left_over() == {}
    finished = user.objects("*/cells/*")
    assert 0 < len(finished) < 18
    before = {path: path.stat().st_mtime_ns for path in finished}

    code, output = user.run("campaign", "smoke", "--resume")
    assert code == 0, output
    assert len(user.objects("*/cells/*")) == 18
    assert {path: path.stat().st_mtime_ns for path in finished} == before
    counted = user.rows(counted=True)
    assert len(counted) == 18 * 2 * 2 * 2  # cells x rounds x invocations x requests
    assert len({(row["cell"], row["sequence"], row["request"]) for row in counted}) == len(counted)


@pytest.mark.slow
def test_a_changed_file_is_not_resumed(smoke: User) -> None:
    changed = CampaignFile.load("smoke").text.replace("seed = 1", "seed = 2")
    (smoke.folder / "smoke.toml").write_text(changed)
    code, output = smoke.run("campaign", "smoke.toml", "--resume")
    assert code == 1
    assert "was begun with another campaign file: it had ['seed = 1'], now ['seed = 2']" in output
