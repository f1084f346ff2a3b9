"""Time that jumps is noticed, whichever clock it jumps on, and time that passes is not."""

import dataclasses
import queue

import pytest

from poolbench.campaign.beside import BEAT_S, Watch, jump_between
from poolbench.model.header import Jump
from poolbench.model.row import Instant

START = Instant(wall_ns=1_800_000_000_000_000_000, monotonic_ns=5_000_000_000, boottime_ns=9_000_000_000)


def later(wall_s: float = BEAT_S, monotonic_s: float = BEAT_S, boottime_s: float = BEAT_S) -> Instant:
    return Instant(
        wall_ns=START.wall_ns + round(wall_s * 1e9),
        monotonic_ns=START.monotonic_ns + round(monotonic_s * 1e9),
        boottime_ns=START.boottime_ns + round(boottime_s * 1e9),
    )


@pytest.mark.parametrize("late_s", [0.0, 0.1, 0.4])
def test_a_beat_that_is_a_little_late_is_no_jump(late_s: float) -> None:
    took_s = BEAT_S + late_s
    assert jump_between(START, later(took_s, took_s, took_s)) is None


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (later(3, 3, 3), "stopped"),
        (later(60, BEAT_S, 60), "suspended"),
        (later(wall_s=-3600), "clock set back"),
        (later(wall_s=3600), "clock set forward"),
        (later(boottime_s=60), "monotonic clock stood still"),
    ],
)
def test_a_jump_is_told_with_what_each_clock_says(after: Instant, what: str) -> None:
    jump = jump_between(START, after)
    assert jump is not None, what
    lengths = {name: value for name, value in dataclasses.asdict(jump).items() if name != "wall_ns"}
    assert jump == Jump(wall_ns=START.wall_ns, **lengths)
    assert lengths == {
        name: pytest.approx((getattr(after, f"{name[:-2]}_ns") - getattr(START, f"{name[:-2]}_ns")) / 1e9)
        for name in lengths
    }


def test_a_jump_is_told_as_soon_as_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([START, later(3, 3, 3)])
    monkeypatch.setattr("poolbench.campaign.beside.now", lambda: next(clock, later(3, 3, 3)))
    told: queue.Queue[tuple[int, Jump]] = queue.Queue()
    with Watch(lambda number, jump: told.put((number, jump))) as watch:
        number, jump = told.get(timeout=10)
        assert (number, jump.wall_s) == (0, 3)
    assert watch.jumps()[0] == jump
