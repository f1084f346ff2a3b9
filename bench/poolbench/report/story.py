"""One recorded failure with all that is known of it: the requests around it and what the proxy did."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from poolbench.function.strategies import REFERENCE
from poolbench.report.requests import Kind
from poolbench.report.settings import Setting

_IDLE_CLOSE = "idle_close"  # of `poolbench.lab.proxy.monitoring`


@dataclass(frozen=True, slots=True)
class Story:
    """A lost request with its neighbours in the same engine; times in seconds since the first was answered.

    Attributes:
        before: the request that was answered on the connection.
        lost: the next one, on the same connection.
        after: the next again; None if it did not reconnect.
        lost_s: when the second one started.
        timeout_s: the proxy's idle client timeout.
        closed_s: when the proxy closed the connection, by its event log; None if there is none.
        events: of the connections concerned, with `at_s`; empty if there is no event log.

    """

    before: pd.Series
    lost: pd.Series
    after: pd.Series | None
    lost_s: float
    timeout_s: float
    closed_s: float | None
    events: pd.DataFrame


def find_story(setting: Setting) -> Story | None:
    """Pick the reference's failure whose steps lie most evenly apart; None if it lost nothing to a gap."""
    rows = setting.rows[setting.rows["label"] == REFERENCE].reset_index(drop=True)
    lost = rows[(rows["kind"] == Kind.FIRST_AFTER_GAP) & rows["lost"] & (rows["gap_seen"] > 1)]
    if lost.empty:
        return None
    place = int(lost.index[int(np.argmin((lost["gap_seen"] - 2).abs()))])
    before, story = rows.iloc[max(0, place - 1)], rows.iloc[place]
    if place == 0 or before["cell"] != story["cell"]:
        return None
    after = rows.iloc[min(place + 1, len(rows) - 1)]
    reconnected = after["kind"] == Kind.AFTER_LOSS and not after["lost"]
    start_ns = int(before["done_wall_ns"])
    clients = {row["connection_id"] for row in (before, *([after] if reconnected else []))}
    of_campaign = setting.events["campaign"] == story["campaign"]
    # Not every driver tells which connection it had; and some events are of no client.
    of_clients = setting.events["client"].isin(clients) & setting.events["client"].notna()
    events = setting.events[of_campaign & of_clients]
    events = events.assign(at_s=(events["wall_ns"] - start_ns) / 1e9)
    closed = events[(events["kind"] == _IDLE_CLOSE) & (events["client"] == before["connection_id"])]
    return Story(
        before,
        story,
        after if reconnected else None,
        (int(story["started_wall_ns"]) - start_ns) / 1e9,
        setting.timeout_s,
        float(closed["at_s"].iloc[0]) if len(closed) else None,
        events,
    )
