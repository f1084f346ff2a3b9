"""What came over a campaign from outside, and says nothing of a strategy: time that jumped, restarts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from poolbench.model.header import Header

_RISING = {"server": "Uptime", "proxy": "ClientConnectionsReceived"}  # until they are started anew
_CLOCKS = ("wall", "monotonic", "boottime")


def jumps(header: Header, rows: pd.DataFrame) -> str | None:
    """How often time jumped, the worst, and how many requests met it; None if it did not.

    Args:
        header: of the campaign, whose sessions have noted the jumps.
        rows: of the same campaign.

    """
    found = [jump for session in header.content["sessions"] for jump in session.get("jumps", ())]
    if not found:
        return None
    waits_from = rows["started_wall_ns"] - 1e9 * rows["gap_s"].fillna(0)
    met = np.zeros(len(rows), bool)
    for jump in found:
        ends = jump["wall_ns"] + 1e9 * max(jump["wall_s"], 0)
        met |= ((waits_from < ends) & (rows["done_wall_ns"] > jump["wall_ns"])).to_numpy()
    worst = max(found, key=_length_s)
    lengths = ", ".join(f"{worst[f'{clock}_s']:.3g} s on the {clock} clock" for clock in _CLOCKS)
    return (
        f"{header.campaign}: time jumped, {len(found)} times, at most by {lengths}; "
        f"{int(met.sum())} of {len(rows)} requests, or the gaps before them, met it"
    )


def _length_s(jump: dict[str, Any]) -> float:
    return max(abs(float(jump[f"{clock}_s"])) for clock in _CLOCKS)


def restarts(header: Header, connections: pd.DataFrame) -> Iterator[str]:
    """Which of server and proxy were started anew within a session, by counters that fell.

    Args:
        header: of the campaign; each of its sessions has a lab of its own, whose counters begin anew.
        connections: the sampler's series of the same campaign, in the order in which it was taken.

    """
    if any(str(cell.get("failure")).startswith("server_restart") for cell in header.content["cells"]):
        return  # it is what the campaign is about
    starts = [session.get("started_wall_ns", 0) for session in header.content["sessions"]]
    for source, metric in _RISING.items():
        series = connections[(connections["source"] == source) & (connections["metric"] == metric)]
        before = series["wall_ns"].shift()
        begins_session = np.zeros(len(series), bool)
        for start in starts:
            begins_session |= ((before < start) & (series["wall_ns"] >= start)).to_numpy()
        anew = int(((series["value"].diff() < 0).to_numpy() & ~begins_session).sum())
        if anew:
            yield f"{header.campaign}: the {source} was restarted {anew} times"
