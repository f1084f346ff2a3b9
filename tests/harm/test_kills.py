"""SIGKILL of a campaign and of every part of its lab: nothing is lost, nothing counts twice."""

import collections
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.users import TIMEOUT_S, User, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="children outlive parents elsewhere"),
]
# At random moments, by command: POOLBENCH_KILLS=50 pytest tests/harm/test_kills.py
KILLS, SEED = int(os.environ.get("POOLBENCH_KILLS", "0")), int(os.environ.get("POOLBENCH_KILLS_SEED", "1"))
CELLS, ROWS = 18, 18 * 2 * 2 * 2  # cells; x rounds x invocations x requests
OBJECTS = 95  # that an undisturbed smoke campaign writes, about


def written(user: User) -> dict[Path, bytes]:
    """Every object of the campaigns in the store."""
    found = user.objects("*/**/*.json*")
    return {path: path.read_bytes() for path in found if not path.name.startswith(".tmp-")}


def determined(user: User) -> collections.Counter[tuple[object, ...]]:
    """What of the measured requests does not depend on the clock."""
    columns = ("label", "gap_ratio", "request", "outcome", "error_code", "connects", "wire_commands")
    measured = user.rows(role="measure", counted=True)
    # Whether a short gap is the one in which a connection gets old enough for recycle, the clock decides.
    return collections.Counter(
        tuple(row[name] for name in (columns[:3] if old_by_chance(row) else columns)) for row in measured
    )


def old_by_chance(row: dict[str, Any]) -> bool:
    return bool(
        row["label"] == "recycle" and row["gap_ratio"] < 1 and row["outcome"] in ("ok", "reconnected")
    )


def check_complete(user: User) -> None:
    """Every cell is there, and every request counts once."""
    assert len(user.objects("*/cells/*.json")) == CELLS
    counted = user.rows(counted=True)
    assert len(counted) == ROWS
    assert len({(row["cell"], row["sequence"], row["request"]) for row in counted}) == ROWS


def resume(user: User) -> str:
    """Let the campaign come to its end, in one go."""
    code, output = user.run("campaign", "smoke", "--resume")
    assert code == 0, output
    return output


def killed(user: User, arguments: list[str], rng: random.Random) -> bool:
    """Run a campaign and kill it after a random number of objects; False if it came to its end before."""
    wanted = len(written(user)) + rng.randrange(OBJECTS)
    lag_s = rng.uniform(0, 0.05)
    process = user.start("campaign", "smoke", *arguments)
    deadline = time.monotonic() + TIMEOUT_S
    while process.poll() is None and len(written(user)) < wanted:
        assert time.monotonic() < deadline, "the campaign stands still"
        time.sleep(0.005)
    time.sleep(lag_s)
    process.kill()
    output, _ = process.communicate()
    wait_for(lambda: user.left_over() == {}, timeout_s=10)
    assert process.returncode in (0, -signal.SIGKILL), output
    return process.returncode != 0


@pytest.mark.skipif(not KILLS, reason="takes minutes: POOLBENCH_KILLS=50 says how many kills")
def test_a_campaign_killed_at_any_moment_goes_on_without_loss_or_doubles(
    smoke: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = random.Random(SEED)
    left = KILLS
    while left:
        user = User(tmp_path_factory.mktemp("killed"))
        arguments: list[str] = []
        before: dict[Path, bytes] = {}
        # Some campaigns are killed once, others while they are being resumed.
        for _ in range(rng.randint(1, min(4, left))):
            if not killed(user, arguments, rng):
                break
            left -= 1
            before |= written(user)
            if list((user.folder / "runs").glob("store/*/header.json")):
                arguments = ["--resume"]
        else:
            output = resume(user) if arguments else user.run("campaign", "smoke")[1]
            after = written(user)
            assert {path: after.get(path) for path in before} == before, output
        check_complete(user)
        assert determined(user) == determined(smoke)


def command_has(user: User, *words: str) -> list[int]:
    return [pid for pid, command in user.left_over().items() if all(word in command for word in words)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bench.lab.proxy",), "no request has succeeded in 20 invocations in a row"),
        (("bench.lab.aws",), "function poolbench-lane-"),
    ],
    ids=["proxy", "lambda-service"],
)
def test_a_campaign_whose_lab_breaks_stops_and_can_go_on(
    user: User, words: tuple[str, ...], said: str
) -> None:
    process = user.start("campaign", "smoke")
    wait_for(lambda: user.objects("*/rows/*/*"))
    (victim,) = command_has(user, *words)
    os.kill(victim, signal.SIGKILL)
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1, output
    assert said in output
    assert "to go on: poolbench campaign smoke" in output
    assert "Traceback" not in output
    assert user.left_over() == {}
    before = written(user)
    resume(user)
    after = written(user)
    assert {path: after.get(path) for path in before} == before
    check_complete(user)


def test_an_environment_that_dies_is_replaced_and_the_rows_say_so(user: User) -> None:
    process = user.start("campaign", "smoke")
    wait_for(lambda: len(user.objects("*/rows/*/*")) > 9)
    for victim in command_has(user, "awslambdaric", "bench.function.handler")[:1]:
        os.kill(victim, signal.SIGKILL)
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, output
    environments: dict[str, set[str]] = collections.defaultdict(set)
    for row in user.rows(counted=True):
        environments[row["function"]].add(row["environment"])
    assert sorted(len(seen) for seen in environments.values()) == [1] * 8 + [2]
