"""SIGKILL of a campaign, and of every part of its lab: nothing is lost, nothing counts twice.

The moments are drawn from a seed; without more ado each part dies once. More of it, by command:
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

from poolbench.campaign.file import CampaignFile
from tests.users import TIMEOUT_S, User, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="children outlive parents elsewhere"),
]
SEED = int(os.environ.get("POOLBENCH_KILLS_SEED", "1"))
CELLS, INVOCATIONS = 18, 18 * 2 * 2  # of the smoke campaign; each invocation sends two requests
TIMEOUT_OF_SMOKE_S = 1.0
SESSIONS = 4  # of one campaign; then another one is begun

CAMPAIGN = "campaign"
REPLACED = {  # by the Lambda service, and the campaign goes on: what its command line holds
    "sampler": ("awslambdaric", "poolbench.function.sampler"),
    "environment": ("awslambdaric", "poolbench.function.handler"),
}
NEEDED = {  # what its command line holds, and what a campaign that loses it says
    "lambda-service": (("poolbench.lab.aws",), "function poolbench-lane-"),
    "proxy": (("poolbench.lab.proxy",), "no request has succeeded in 20 invocations in a row"),
    "server": (("--datadir",), "no request has succeeded in 20 invocations in a row"),
}
PARTS = (*REPLACED, *NEEDED)
KILLS = int(os.environ.get("POOLBENCH_KILLS", "2"))
LAB_KILLS = int(os.environ.get("POOLBENCH_LAB_KILLS", str(len(PARTS))))
# Objects that a run of the campaign writes before something is killed.
MOMENTS = range(1, 75)
EARLY_MOMENTS = range(1, 20)  # for each part to die in one campaign


@dataclass(frozen=True)
class Harm:
    """From when to when a campaign suffered, and which function alone if it was not the whole."""

    from_ns: int
    to_ns: int
    function: str | None

    def met(self, row: dict[str, Any]) -> bool:
        concerned = self.function in (None, row["function"].partition(":")[0])
        return concerned and row["done_wall_ns"] > self.from_ns and row["sent_wall_ns"] < self.to_ns


def written(user: User) -> dict[Path, bytes]:
    """Every object of the campaigns in the store."""
    found = user.objects("*/**/*.json*")
    return {path: path.read_bytes() for path in found if not path.name.startswith(".tmp-")}


def find(user: User, part: str) -> int | None:
    """Process id of a part of the lab, or of the first such; None once the lab has been ended."""
    words = REPLACED.get(part) or NEEDED[part][0]
    found = (pid for pid, command in user.left_over().items() if all(word in command for word in words))
    return next(found, None)


def function_of(pid: int) -> str:
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next(line for line in variables if line.startswith(b"AWS_LAMBDA_FUNCTION_NAME=")).decode()[25:]


def run_and_kill(
    user: User, victims: list[str], moments: range, rng: random.Random
) -> tuple[list[Harm], bool]:
    """Run or resume the campaign and kill the first victims, each at some moment, until one ends the run.

    Returns the harms, and whether the campaign came to its end in spite of them. Those killed are removed.
    """
    before = written(user)
    resumed = ["--resume"] if user.objects("*/header.json") else []
    process = user.start("campaign", "smoke.toml", *resumed)
    deadline = time.monotonic() + TIMEOUT_S
    killed: list[tuple[int, str | None]] = []
    last = None  # of the victims
    while victims and last in (None, *REPLACED):
        wanted, lag_s = len(written(user)) + rng.choice(moments), rng.uniform(0, 0.05)
        while process.poll() is None and len(written(user)) < wanted:
            assert time.monotonic() < deadline, "the campaign stands still"
            time.sleep(0.005)
        time.sleep(lag_s)
        pid = process.pid if victims[0] == CAMPAIGN else find(user, victims[0])
        if process.poll() is not None or pid is None:
            break
        last = victims.pop(0)
        function = function_of(pid) if last in REPLACED else None
        killed.append((time.time_ns(), function))
        os.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=TIMEOUT_S)
    harms = [Harm(at_ns, time.time_ns(), function) for at_ns, function in killed]
    wait_for(lambda: user.left_over() == {})
    assert "Traceback" not in output
    finished = process.returncode == 0
    if last == CAMPAIGN:
        assert process.returncode in (0, -signal.SIGKILL), output
    elif not finished:  # it may have been at its end
        assert process.returncode == 1, output
        assert last in NEEDED, output
        assert NEEDED[last][1] in output
        assert "to go on: poolbench campaign smoke.toml" in output
    after = written(user)
    assert {path: after.get(path) for path in before} == before
    return harms, finished


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
    if len(user.objects("*/starts/*")) == 1:  # other sessions have other environments
        assert {name for name, seen in environments.items() if len(seen) > 1} <= replaced
    (page,) = (user.folder / "runs").glob("*/*.html")
    assert "was restarted" not in page.read_text(), "every session has a lab of its own"


def survive(
    victims: Sequence[str], moments: range, undisturbed: User, new_folder: Callable[[str], Path]
) -> None:
    """Kill one victim after the other, in as many campaigns as that takes, each of which comes to its end."""
    rng = random.Random(SEED)
    left = list(victims)
    while left:
        user = User(new_folder("killed"))
        # A dead server is waited for as long as clients wait to borrow a connection.
        text = CampaignFile.load("smoke").text.replace("seed", "connection_borrow_timeout_s = 0.2\nseed", 1)
        (user.folder / "smoke.toml").write_text(text)
        harms: list[Harm] = []
        for session in range(SESSIONS + 1):
            done, finished = run_and_kill(user, left if session < SESSIONS else [], moments, rng)
            harms += done
            if finished:
                break
        check(user, harms, undisturbed)


def test_a_campaign_killed_at_any_moment_goes_on_without_loss_or_doubles(
    smoke: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    survive([CAMPAIGN] * KILLS, MOMENTS, smoke, tmp_path_factory.mktemp)


def test_a_campaign_that_loses_a_part_of_its_lab_goes_on_without_loss_or_doubles(
    smoke: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parts = list(PARTS) * (1 + LAB_KILLS // len(PARTS))
    moments = MOMENTS if len(PARTS) < LAB_KILLS else EARLY_MOMENTS
    survive(parts[:LAB_KILLS], moments, smoke, tmp_path_factory.mktemp)
