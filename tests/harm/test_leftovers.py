"""However a campaign ends, no process and no directory stays, and what a power cut leaves is found."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable

import pytest

from poolbench.campaign.journal import Journal
from poolbench.lab.leftovers import PREFIX, work_directory
from poolbench.model.header import Session
from poolbench.store import FileStore
from tests.users import SHORT_ROWS, TIMEOUT_S, User, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


def measuring(user: User) -> bool:
    return len(user.objects("*/rows/*/*")) > 3


def starting(user: User) -> bool:
    return any("--datadir" in command for command in user.left_over().values())


@pytest.mark.parametrize(
    ("moment", "signals"),
    [
        (measuring, [signal.SIGINT, signal.SIGINT]),
        (starting, [signal.SIGHUP, signal.SIGTERM]),
    ],
    ids=["ctrl-c-twice", "terminal-closed-while-starting"],
)
def test_an_interrupted_campaign_leaves_nothing(
    user: User, moment: Callable[[User], bool], signals: list[signal.Signals]
) -> None:
    process = user.start("campaign", "smoke", "--freeze", "SIGSTOP")
    wait_for(lambda: moment(user))
    for number in signals:
        process.send_signal(number)
        time.sleep(0.3)
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    began = bool(user.objects("*/header.json"))
    assert ("to go on: poolbench campaign smoke --freeze SIGSTOP --resume" in output) is began
    wait_for(lambda: user.left_over() == {})
    assert [entry.name for entry in user.folder.iterdir()] == ["runs"]


def test_a_lab_that_is_interrupted_while_it_goes_up_leaves_nothing(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLBENCH_LAB_STATE", str(user.folder / "lab.json"))
    process = user.start("lab", "up")
    wait_for(lambda: starting(user))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, "Traceback" in output) == (130, False), output
    wait_for(lambda: user.left_over() == {})
    assert [entry.name for entry in user.folder.iterdir()] == ["lab.log"]


def test_what_a_power_cut_leaves_is_found_and_cleaned(user: User) -> None:
    process = user.start("campaign", "smoke")
    wait_for(lambda: measuring(user))
    process.send_signal(signal.SIGSTOP)  # or it may come to its end before the next command does
    (lab,) = user.folder.glob(f"{PREFIX}*")
    code, output = user.run("doctor")
    assert (code, str(lab) in output) == (0, False), "it is in use"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=TIMEOUT_S)
    wait_for(lambda: user.left_over() == {})
    half, just_written = (user.folder / "runs" / "store" / f".tmp-{age}" for age in ("old", "new"))
    for path in (half, just_written):  # as a put leaves it that is killed before it gives it a name
        path.write_text("{")
    os.utime(half, (0, 0))
    code, output = user.run("doctor")
    assert (code, f"left over: {lab}, 0 processes" in output) == (1, True), output
    assert f"left over: {half}, of an object that was never stored" in output
    assert "poolbench doctor --clean" in output
    code, output = user.run("doctor", "--clean")
    assert (code, lab.exists(), half.exists(), just_written.exists()) == (0, False, False, True), output
    code, output = user.run("doctor")
    assert (code, "nothing is left over" in output) == (0, True), output


def test_two_campaigns_at_once_keep_apart(user: User) -> None:
    both = [user.start("campaign", user.short()) for _ in range(2)]
    outputs = [process.communicate(timeout=TIMEOUT_S)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    campaigns = {path.parts[-4] for path in user.objects("*/rows/*/*")}
    assert len(campaigns) == 2
    for campaign in campaigns:
        counted = [row for row in user.rows_of(campaign) if row["counted"]]
        assert {row["campaign"] for row in counted} == {campaign}
        assert (
            len({(row["cell"], row["sequence"], row["request"]) for row in counted})
            == len(counted)
            == SHORT_ROWS
        )
    assert user.left_over() == {}


def test_a_campaign_beside_another_lab_warns_that_timings_suffer(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(user.folder))
    with work_directory():  # as a lab of this process has it
        process = user.start("campaign", "smoke")
        wait_for(lambda: starting(user))
        process.terminate()
        output, _ = process.communicate(timeout=TIMEOUT_S)
        assert (
            f"warning: another poolbench lab is running (pid {os.getpid()}); timings are unreliable" in output
        )
        journal = Journal(FileStore(user.folder / "runs" / "store"), "smoke-20260101T000000Z-0000")
        journal.write("header", {})
        running = Session(session="000", started_wall_ns=1, pid=os.getpid())
        journal.write("starts/000", running.as_dict())
        code, output = user.run("campaign", "smoke", "--resume", journal.campaign)
    refused = (
        f"campaign {journal.campaign} is being run by process {os.getpid()}: wait for it, or stop it first"
    )
    assert (code, refused in output) == (1, True), output
