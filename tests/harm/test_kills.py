"""SIGKILL of a campaign, and of every part of its lab: nothing is lost, nothing counts twice.

The moments are drawn from a seed. More of them, by command:
POOLBENCH_KILLS=50 POOLBENCH_LAB_KILLS=20 POOLBENCH_KILLS_SEED=1 pytest tests/harm/test_kills.py
"""

import collections
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.campaign.file import CampaignFile
from tests.users import TIMEOUT_S, User, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="children outlive parents elsewhere"),
]
KILLS, LAB_KILLS = (
    int(os.environ.get("POOLBENCH_KILLS", "2")),
    int(os.environ.get("POOLBENCH_LAB_KILLS", "2")),
)
SEED = int(os.environ.get("POOLBENCH_KILLS_SEED", "1"))
CELLS, INVOCATIONS = 18, 18 * 2 * 2  # of the smoke campaign; each invocation sends two requests
TIMEOUT_OF_SMOKE_S = 1.0
MOMENTS = range(1, 75)  # objects that a run of the campaign writes before something is killed
SESSIONS = 4  # of one campaign; then another one is begun

CAMPAIGN, ENVIRONMENT = "campaign", "environment"
PARTS = {  # what its command line holds, and what a campaign that loses it says
    "server": (("--datadir",), "no request has succeeded in 20 invocations in a row"),
    ENVIRONMENT: (("awslambdaric", "bench.function.handler"), "all done"),
    "proxy": (("bench.lab.proxy",), "no request has succeeded in 20 invocations in a row"),
    "lambda-service": (("bench.lab.aws",), "function poolbench-lane-"),
}


@dataclass(frozen=True)
class Harm:
    """From when to when a campaign suffered, and which function alone if it was not the whole."""

    from_ns: int
    to_ns: int
    function: str | None
    finished: bool  # the campaign, in spite of it

    def met(self, row: dict[str, Any]) -> bool:
        concerned = self.function in (None, row["function"].partition(":")[0])
        return concerned and row["done_wall_ns"] > self.from_ns and row["sent_wall_ns"] < self.to_ns


def written(user: User) -> dict[Path, bytes]:
    """Every object of the campaigns in the store."""
    found = user.objects("*/**/*.json*")
    return {path: path.read_bytes() for path in found if not path.name.startswith(".tmp-")}


def find(user: User, part: str) -> int:
    """Process id of a part of the lab, or of the first such."""
    words, _ = PARTS[part]
    return next(pid for pid, command in user.left_over().items() if all(word in command for word in words))


def function_of(pid: int) -> str:
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next(line for line in variables if line.startswith(b"AWS_LAMBDA_FUNCTION_NAME=")).decode()[25:]


def run_and_kill(user: User, victim: str, rng: random.Random) -> Harm | None:
    """Run or resume the campaign and kill the victim at some moment; None if that did not come."""
    before = written(user)
    wanted, lag_s = len(before) + rng.choice(MOMENTS), rng.uniform(0, 0.05)
    resumed = ["--resume"] if user.objects("*/header.json") else []
    process = user.start("campaign", "smoke.toml", *resumed)
    deadline = time.monotonic() + TIMEOUT_S
    while process.poll() is None and len(written(user)) < wanted:
        assert time.monotonic() < deadline, "the campaign stands still"
        time.sleep(0.005)
    time.sleep(lag_s)
    if process.poll() is not None:
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return None
    pid = process.pid if victim == CAMPAIGN else find(user, victim)
    function = function_of(pid) if victim == ENVIRONMENT else None
    from_ns = time.time_ns()
    os.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=TIMEOUT_S)
    harm = Harm(from_ns, time.time_ns(), function, finished=process.returncode == 0)
    wait_for(lambda: user.left_over() == {}, timeout_s=30)
    assert "Traceback" not in output
    if victim == CAMPAIGN:
        assert process.returncode in (0, -signal.SIGKILL), output
    elif not harm.finished:  # it may have been at its end
        assert process.returncode == 1, output
        assert PARTS[victim][1] in output
        assert "to go on: poolbench campaign smoke.toml" in output
    after = written(user)
    assert {path: after.get(path) for path in before} == before
    return harm


def determined(rows: Sequence[dict[str, Any]]) -> dict[str, collections.Counter[tuple[object, ...]]]:
    """What of the measured requests does not depend on the clock, for each cell."""
    columns = ("request", "outcome", "error_code", "connects", "wire_commands")
    found: dict[str, collections.Counter[tuple[object, ...]]] = collections.defaultdict(collections.Counter)
    for row in rows:
        # Whether a short gap is the one in which a connection gets old enough for recycle, the clock decides.
        by_chance = row["label"] == "recycle" and row["gap_ratio"] < 1
        known = columns[:1] if by_chance and row["outcome"] in ("ok", "reconnected") else columns
        found[row["cell"]][tuple(row[name] for name in known)] += 1
    return dict(found)


def too_late(row: dict[str, Any]) -> bool:
    """Whether a short gap got longer than the timeout, as it does on a machine with too much to do."""
    return bool(row["gap_ratio"] < 1 and (row["connection_idle_s"] or 0) > TIMEOUT_OF_SMOKE_S)


def check(user: User, harms: Sequence[Harm], undisturbed: User) -> None:
    """Every cell is there, every request counts once, and cells that met no harm are as they always are."""
    assert len(user.objects("*/cells/*.json")) == CELLS
    counted = user.rows(counted=True)
    requests = [(row["cell"], row["sequence"], row["request"]) for row in counted]
    assert len(set(requests)) == len(requests)
    assert len({request[:2] for request in requests}) == INVOCATIONS
    killed = [row for row in counted if row["error_class"] == "Runtime.ExitError"]
    assert len(counted) == 2 * INVOCATIONS - len(killed)  # which took their second request along
    suffered = {row["cell"] for row in counted if any(harm.met(row) for harm in harms)}
    measured, usual = (one.rows(role="measure", counted=True) for one in (user, undisturbed))
    suffered |= {row["cell"] for row in (*measured, *usual) if too_late(row)}
    assert {cell: seen for cell, seen in determined(measured).items() if cell not in suffered} == {
        cell: seen for cell, seen in determined(usual).items() if cell not in suffered
    }
    replaced = {harm.function for harm in harms if harm.function}
    environments: dict[str, set[str]] = collections.defaultdict(set)
    for row in counted:
        environments[row["function"].partition(":")[0]].add(row["environment"])
    if len(harms) == 1:  # other sessions have other environments
        assert {name for name, seen in environments.items() if len(seen) > 1} <= replaced


def survive(victims: Sequence[str], undisturbed: User, new_folder: Callable[[str], Path]) -> None:
    """Kill one victim after the other, in as many campaigns as that takes, each of which comes to its end."""
    rng = random.Random(SEED)
    left = list(victims)
    while left:
        user = User(new_folder("killed"))
        # A dead server is waited for as long as clients wait to borrow a connection.
        text = CampaignFile.load("smoke").text.replace("seed", "connection_borrow_timeout_s = 0.2\nseed", 1)
        (user.folder / "smoke.toml").write_text(text)
        harms: list[Harm] = []
        for _ in range(min(SESSIONS, len(left))):
            harm = run_and_kill(user, left[0], rng)
            if harm:
                harms.append(harm)
                left.pop(0)
            if harm is None or harm.finished:
                break
        else:
            resumed = ["--resume"] if user.objects("*/header.json") else []
            code, output = user.run("campaign", "smoke.toml", *resumed)
            assert code == 0, output
        check(user, harms, undisturbed)


def test_a_campaign_killed_at_any_moment_goes_on_without_loss_or_doubles(
    smoke: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    survive([CAMPAIGN] * KILLS, smoke, tmp_path_factory.mktemp)


def test_a_campaign_that_loses_a_part_of_its_lab_goes_on_without_loss_or_doubles(
    smoke: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parts = list(PARTS) * (1 + LAB_KILLS // len(PARTS))
    survive(parts[:LAB_KILLS], smoke, tmp_path_factory.mktemp)
