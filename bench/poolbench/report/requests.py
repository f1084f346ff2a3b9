"""What kind of request a row is, from recorded facts alone."""

from enum import StrEnum

import numpy as np
import pandas as pd

from poolbench.model.row import Outcome, Role, State


class RequestKind(StrEnum):
    """Requests that may be compared with each other; a latency never decides the kind."""

    FIRST_IN_ENVIRONMENT = "first_in_environment"
    FIRST_OF_ENGINE = "first_of_engine"
    PRIME = "prime"  # first of an invocation that only prepares the connection for the next gap
    FIRST_AFTER_GAP = "first_after_gap"
    AFTER_FAILURE = "after_failure"  # follows a failed request of the same invocation: does the pool recover?
    WARM = "warm"  # follows a successful request of the same invocation
    BURST = "burst"  # concurrent with others


_INVOCATION = ["campaign", "cell", "attempt", "sequence"]


def derive(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows by cell and time, and add the columns that every analysis needs.

    Added columns: `failed` (error or hang), `kind` (see `RequestKind`), `observed_idle_s` and
    `observed_idle`. `observed_idle_s` is the idle time of the connection that the pool offered or, if it
    offered none, of the engine (seconds, NaN if neither was observed). `observed_idle` is the same as a
    multiple of the idle client timeout. If no idle time was observed, it is the gap that was asked for, so
    that a request that took its environment down with it stays in the results.
    """
    order = [*_INVOCATION, "request"]
    if not pd.MultiIndex.from_frame(rows[order]).is_monotonic_increasing:
        rows = rows.sort_values(order, ignore_index=True)
    rows["failed"] = rows["outcome"].isin([Outcome.ERROR, Outcome.HANG])
    rows["kind"] = _kinds(rows)
    rows["observed_idle_s"] = rows["connection_idle_s"].fillna(rows["gap_s"])
    rows["observed_idle"] = (rows["observed_idle_s"] / rows["timeout_s"]).fillna(rows["gap_ratio"])
    return rows


def _kinds(rows: pd.DataFrame) -> "pd.Categorical[str]":
    same_invocation = ~rows[_INVOCATION].ne(rows[_INVOCATION].shift()).any(axis=1)
    state, role = rows["state"], rows["role"]
    chosen = {
        RequestKind.BURST: role == Role.BURST,
        RequestKind.FIRST_IN_ENVIRONMENT: state == State.FIRST_IN_ENVIRONMENT,
        RequestKind.FIRST_OF_ENGINE: state == State.FIRST_OF_ENGINE,
        RequestKind.PRIME: (state == State.FIRST_AFTER_GAP) & (role == Role.PRIME),
        RequestKind.FIRST_AFTER_GAP: state == State.FIRST_AFTER_GAP,
        RequestKind.AFTER_FAILURE: same_invocation & rows["failed"].shift(fill_value=False),
    }
    names = [kind.value for kind in RequestKind]
    usual = names.index(RequestKind.WARM)
    codes = np.select(list(chosen.values()), [names.index(kind) for kind in chosen], usual)
    return pd.Categorical.from_codes(codes.astype(np.int8), categories=pd.Index(names))
