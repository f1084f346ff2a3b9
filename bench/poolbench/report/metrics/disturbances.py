"""What disturbed a campaign from outside: clocks that disagree or jump, requests that overlap, restarts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from poolbench.model.header import Header, Jump
from poolbench.report.metrics.failures import SERVER_RESTART

OVERLAP_TOLERANCE_S = 0.005  # wall clocks of different hosts do not agree better
_CLOCKS = ("wall", "monotonic", "boottime")
_RISING = {"server": "Uptime", "proxy": "ClientConnectionsReceived"}  # counters that a restart resets
CLOCK_COLUMNS = (
    *("campaign", "cell", "gap_s"),
    *(f"{moment}_{clock}_ns" for moment in ("started", "done") for clock in _CLOCKS),
)


def clocks_within_requests(rows: pd.DataFrame) -> "pd.Series[float]":
    """Seconds by which the clocks differ over each request, without requests whose function was killed."""
    read = rows[rows["started_monotonic_ns"] > 0]
    spans = {clock: (read[f"done_{clock}_ns"] - read[f"started_{clock}_ns"]) / 1e9 for clock in _CLOCKS}
    return pd.Series(
        np.maximum((spans["wall"] - spans["boottime"]).abs(), (spans["monotonic"] - spans["boottime"]).abs())
    )


def clocks_over_gaps(rows: pd.DataFrame) -> "pd.Series[float]":
    """Seconds by which wall and boot clock differ over the gap before each request; NaN without a gap.

    `pool_recycle` uses the wall clock, the rows' `gap_s` the boot clock.
    """
    read = rows[rows["started_monotonic_ns"] > 0]
    before = rows.groupby(["campaign", "cell"], observed=True)[["done_wall_ns", "done_boottime_ns"]].shift()
    before = before[before["done_boottime_ns"] > 0]
    by_wall = (read["started_wall_ns"] - before["done_wall_ns"]) / 1e9
    return (by_wall - read["gap_s"]).abs()


def overlapping(rows: pd.DataFrame) -> int:
    """Count requests that began while one of another environment was under way."""
    count = 0
    for _, part in rows[rows["started_monotonic_ns"] > 0].groupby("campaign", observed=True):
        ordered = part.sort_values("started_wall_ns")
        started = ordered["started_wall_ns"].to_numpy()
        done = np.maximum.accumulate(ordered["done_wall_ns"].to_numpy())
        environment = ordered["environment"].to_numpy()
        early = started[1:] < done[:-1] - round(OVERLAP_TOLERANCE_S * 1e9)
        count += int((early & (environment[1:] != environment[:-1])).sum())
    return count


@dataclass(frozen=True, slots=True)
class TimeJumps:
    """Jumps of the clocks during a campaign."""

    count: int  # how many
    longest_s: dict[str, float]  # the longest one, by clock
    met: int  # requests during which, or during the gap before which, a clock jumped


def time_jumps(header: Header, rows: pd.DataFrame) -> TimeJumps | None:
    """The jumps that the campaign's sessions noted; None if there were none.

    Args:
        header: of the campaign.
        rows: of the same campaign.

    """
    found = [jump for session in header.sessions for jump in session.jumps]
    if not found:
        return None
    waits_from = rows["started_wall_ns"] - 1e9 * rows["gap_s"].fillna(0)
    met = np.zeros(len(rows), bool)
    for jump in found:
        ends = jump.wall_ns + 1e9 * max(jump.wall_s, 0)
        met |= ((waits_from < ends) & (rows["done_wall_ns"] > jump.wall_ns)).to_numpy()
    worst = max(found, key=_length_s)
    return TimeJumps(len(found), _lengths_s(worst), int(met.sum()))


def _lengths_s(jump: Jump) -> dict[str, float]:
    return {"wall": jump.wall_s, "monotonic": jump.monotonic_s, "boottime": jump.boottime_s}


def _length_s(jump: Jump) -> float:
    return max(map(abs, _lengths_s(jump).values()))


def restarts(header: Header, connections: pd.DataFrame) -> Iterator[tuple[str, int]]:
    """Which of server and proxy were restarted during a session, and how often: by counters that fell.

    Args:
        header: of the campaign; each of its sessions has a lab of its own, whose counters start anew.
        connections: the sampler's series of the same campaign, in the order in which it was taken.

    """
    if any(cell.failure.startswith(SERVER_RESTART) for cell in header.cells):
        return  # the campaign restarts it on purpose
    starts = [session.started_wall_ns for session in header.sessions]
    for source, metric in _RISING.items():
        series = connections[(connections["source"] == source) & (connections["metric"] == metric)]
        before = series["wall_ns"].shift()
        begins_session = np.zeros(len(series), bool)
        for start in starts:
            begins_session |= ((before < start) & (series["wall_ns"] >= start)).to_numpy()
        fell = int(((series["value"].diff() < 0).to_numpy() & ~begins_session).sum())
        if fell:
            yield source, fell
