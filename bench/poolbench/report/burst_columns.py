"""What the table of bursts shows: heads, their meaning, and the text of each cell."""

import math
from collections.abc import Callable, Sequence

from poolbench.report.bursts import BurstRow, Count
from poolbench.report.render import (
    NONE,
    Column,
    count,
    interval,
    latency,
    lost_of,
    milliseconds,
    number,
    percent,
)


def gone(found: Count) -> str:
    """When the last connection was gone, in seconds; `>` where it outlasted those who watched."""
    if not found.left:
        return NONE
    return f"> {number(found.watched_s, 2)}" if math.isinf(found.gone_s) else number(found.gone_s, 2)


def _counts(group: str, of: Callable[[BurstRow], Count | None], closer: str) -> tuple[Column[BurstRow], ...]:
    def told(text: Callable[[Count], str]) -> Callable[[BurstRow], str]:
        def cell(row: BurstRow) -> str:
            found = of(row)
            return NONE if found is None else text(found)

        return cell

    return (
        Column(group, "peak", "most open at any sample during the burst", told(lambda c: str(c.peak))),
        Column(group, "left", "open after the last answer, when all is at rest", told(lambda c: str(c.left))),
        Column(group, "gone, s", f"from the last answer until none was open, closed by {closer}", told(gone)),
    )


def _said(row: BurstRow) -> str:
    return ", ".join(f"{what} x {times}" for what, times in row.said.items()) or NONE


_LATENCY, _ANSWERED = "latency, ms", "of the answered, the wait for a connection included"
BURSTS: Sequence[Column[BurstRow]] = (
    Column("", "strategy", "", lambda row: row.label, is_name=True),
    Column("", "to", "proxy, or the database itself", lambda row: row.endpoint, is_name=True),
    Column("at once", "envs", "execution environments", lambda row: str(row.environments)),
    Column("at once", "threads", "in each, on one engine", lambda row: str(row.threads)),
    Column(
        "", "lost", "failed or hung; below: Wilson interval of the share",
        lambda row: lost_of(row.lost_count, row.lost.n), lambda row: interval(row.lost, percent),
    ),
    Column("", "said", "native code, or class where there is none", _said),
    latency(_LATENCY, "p50", _ANSWERED, lambda row: row.latency.median),
    latency(_LATENCY, "p95", _ANSWERED, lambda row: row.latency.p95),
    Column(
        _LATENCY, "max", f"ms, {_ANSWERED}", lambda row: milliseconds(row.latency.maximum)
    ),
    Column("", "connects", "connections opened per request", lambda row: count(row.connects)),
    *_counts("clients to proxy", lambda row: row.clients, "the proxy"),
    *_counts("at the database", lambda row: row.database, "whoever opened it"),
)  # fmt: skip
