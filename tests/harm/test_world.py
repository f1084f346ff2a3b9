"""What comes over a campaign from outside is recorded and said in its report, never mixed in silently."""

import collections
import contextlib
import html
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from poolbench.campaign.file import CampaignFile
from poolbench.campaign.session import open_journal, run_session
from poolbench.campaign.sync import sync
from poolbench.lab.proxy import Backend, Port, running_proxy
from poolbench.lab.stack import STANDING, Stack
from poolbench.report.page import write_report
from poolbench.report.warnings import WarningKind
from poolbench.store import FileStore
from poolbench.targets import variables_set
from poolbench.targets.lab import LabOptions, running_lab
from tests.users import TIMEOUT_S, User, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]
STOOD_STILL_S, SET_BACK_S = 2, 3600
# Python's wall clock, everywhere, once there is a file that says so.
STEPPED_CLOCK = f"""
import os, time
wall, wall_ns, step = time.time, time.time_ns, os.path.join(os.path.dirname(__file__), "set-back")
time.time = lambda: wall() - {SET_BACK_S} * os.path.exists(step)
time.time_ns = lambda: wall_ns() - {SET_BACK_S * 10**9} * os.path.exists(step)
"""


def warnings_of(page: Path) -> str:
    _, _, after = html.unescape(page.read_text()).partition('<h2 id="warnings">')
    return after.partition("</ul>")[0]


def restart(stack: Stack, ends: contextlib.ExitStack, work_dir: Path) -> None:
    """Replace the lab's proxy by another one in the same place."""
    old, database = stack.proxy, stack.server.server
    login = stack.endpoints.application
    old.stop()
    ends.enter_context(
        running_proxy(
            stack.spec.settings,
            backend=Backend(host=database.host, port=database.port, user=login.user, password=login.password),
            accounts={login.user: login.password},
            work_dir=work_dir,
            listeners={name: Port(port, STANDING[name]) for name, port in old.ports.items()},
            control_port=urlsplit(old.control_url).port or 0,
        )
    )


def test_a_server_a_proxy_and_an_environment_that_are_replaced_are_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "longer.toml").write_text(CampaignFile.load("smoke").text.replace("rounds = 2", "rounds = 4"))
    file = CampaignFile.load(str(tmp_path / "longer.toml"))
    journal = open_journal(file, FileStore(tmp_path / "store"), None)
    with contextlib.ExitStack() as ends:
        target = ends.enter_context(running_lab(file.campaign, LabOptions()))
        stack = target.stack
        ends.enter_context(variables_set(stack.environment()))
        session = ends.enter_context(ThreadPoolExecutor(1)).submit(
            run_session, file, journal, target, resume=False, on_progress=lambda _progress: None
        )
        # Children die with the thread that started them, so it is this one that restarts things.
        wait_for(lambda: len(journal.names("rows")) > 9 or session.done())
        lane = next(one for one in stack.aws.environments() if one.function == "poolbench-lane-00")
        stack.aws.replace(lane.id)
        stack.server.restart()
        wait_for(lambda: len(journal.names("rows")) > 70 or session.done())
        restart(stack, ends, tmp_path)
        session.result(TIMEOUT_S)
    synced = sync(journal, tmp_path / "out")
    assert (synced.finished_cells, synced.invalid) == (18, 0)
    rows = pq.read_table(tmp_path / "out" / "rows.parquet").to_pylist()
    assert len({(row["cell"], row["sequence"], row["request"]) for row in rows}) == len(rows) == 288
    environments = collections.defaultdict(set)
    for row in rows:
        environments[row["function"]].add(row["environment"])
    assert {name for name, seen in environments.items() if len(seen) > 1} == {"poolbench-lane-00:live"}
    said = warnings_of(write_report([tmp_path / "out"], tmp_path / "out").page)
    assert "the server was restarted 1 times" in said
    assert "the proxy was restarted 1 times" in said
    assert WarningKind.RESTARTED.value in said
    assert WarningKind.ENVIRONMENT_REPLACED.value in said


def running(user: User) -> list[int]:
    """Processes of a user's campaign that are not frozen, its own first."""
    found = user.left_over()
    states = {}
    for pid in found:
        with contextlib.suppress(FileNotFoundError):
            states[pid] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    awake = [pid for pid, state in states.items() if state != "T"]
    return sorted(awake, key=lambda pid: "poolbench campaign" not in found[pid])


def test_a_machine_that_sleeps_and_a_clock_that_is_set_are_in_the_report(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    (user.folder / "sitecustomize.py").write_text(STEPPED_CLOCK)
    monkeypatch.setenv("PYTHONPATH", str(user.folder), prepend=os.pathsep)
    process = user.start("campaign", "smoke")
    wait_for(lambda: len(user.objects("*/rows/*/*")) > 15)
    os.kill(process.pid, signal.SIGSTOP)  # it alone thaws environments: after it, all others stay as they are
    time.sleep(0.2)
    asleep = running(user)
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(STOOD_STILL_S)
    for pid in [*asleep, process.pid]:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: len(user.objects("*/rows/*/*")) > 45)
    (user.folder / "set-back").touch()
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, output
    counted = user.rows(counted=True)
    assert len({(row["cell"], row["sequence"], row["request"]) for row in counted}) == len(counted) == 144
    (session,) = user.objects("*/sessions/*")
    jumps = json.loads(session.read_text())["jumps"]
    assert [json.loads(path.read_text()) for path in user.objects("*/jumps/*")] == jumps  # kept at once
    assert max(jump["monotonic_s"] for jump in jumps) > STOOD_STILL_S
    assert min(jump["wall_s"] for jump in jumps) < -SET_BACK_S + 10
    (page,) = (user.folder / "runs").glob("*/*.html")
    said = warnings_of(page)
    for kind in (WarningKind.TIME_JUMPED, WarningKind.CLOCKS_DISAGREE, WarningKind.GAP_OFF):
        assert kind.value in said
