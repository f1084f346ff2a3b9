"""What kind of request a row is, from recorded facts alone."""

from enum import StrEnum

import numpy as np
import pandas as pd

from poolbench.model.row import Outcome, Role, State


class Kind(StrEnum):
    """Requests that may be compared with each other; no kind is defined by a latency."""

    FIRST_IN_ENVIRONMENT = "first_in_environment"
    FIRST_OF_ENGINE = "first_of_engine"
    PRIME = "prime"  # first of an invocation that only readies the connection for the gap to come
    FIRST_AFTER_GAP = "first_after_gap"
    AFTER_LOSS = "after_loss"  # follows a lost request of the same invocation: does the pool recover?
    STEADY = "steady"  # follows a successful request of the same invocation
    BURST = "burst"  # at the same time as others


_INVOCATION = ["campaign", "cell", "attempt", "sequence"]


def derive(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows by cell and time, and add what every analysis needs.

    Added columns: `lost` (error or hang), `kind` (see `Kind`), `gap_seen_s`, the idle time that the offered
    connection had, or, where there was none to offer, the engine's idle time (seconds, NaN if neither was
    observed), and `gap_seen`, the same as a multiple of the idle client timeout, or the gap asked for where
    none was observed: a request that took its environment along must not drop out of the figures.
    """
    order = [*_INVOCATION, "request"]
    if not pd.MultiIndex.from_frame(rows[order]).is_monotonic_increasing:
        rows = rows.sort_values(order, ignore_index=True)
    rows["lost"] = rows["outcome"].isin([Outcome.ERROR, Outcome.HANG])
    rows["kind"] = _kinds(rows)
    rows["gap_seen_s"] = rows["connection_idle_s"].fillna(rows["gap_s"])
    rows["gap_seen"] = (rows["gap_seen_s"] / rows["timeout_s"]).fillna(rows["gap_ratio"])
    return rows


def _kinds(rows: pd.DataFrame) -> "pd.Categorical[str]":
    same_invocation = ~rows[_INVOCATION].ne(rows[_INVOCATION].shift()).any(axis=1)
    state, role = rows["state"], rows["role"]
    chosen = {
        Kind.BURST: role == Role.BURST,
        Kind.FIRST_IN_ENVIRONMENT: state == State.FIRST_IN_ENVIRONMENT,
        Kind.FIRST_OF_ENGINE: state == State.FIRST_OF_ENGINE,
        Kind.PRIME: (state == State.FIRST_AFTER_GAP) & (role == Role.PRIME),
        Kind.FIRST_AFTER_GAP: state == State.FIRST_AFTER_GAP,
        Kind.AFTER_LOSS: same_invocation & rows["lost"].shift(fill_value=False),
    }
    names = [kind.value for kind in Kind]
    codes = np.select(list(chosen.values()), [names.index(kind) for kind in chosen], names.index(Kind.STEADY))
    return pd.Categorical.from_codes(codes.astype(np.int8), categories=pd.Index(names))
