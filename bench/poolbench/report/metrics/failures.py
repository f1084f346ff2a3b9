"""Failed requests: their errors, where strategies fail, and one incident with everything known about it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from poolbench.function.strategies import REFERENCE
from poolbench.model.row import Outcome, Role
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import Scenario, varying
from poolbench.report.statistics import Estimate, rate

BLACK_HOLE, SERVER_RESTART = "black_hole", "server_restart"  # of `poolbench.campaign.failures`
ACCEPT, BORROW, IDLE_CLOSE = "accept", "borrow", "idle_close"  # of `poolbench.lab.proxy.events`

_ACCIDENTAL = (
    (re.compile(r"<(Task|Future) \w+[^<>]*(?:<[^<>]*>[^<>]*)*>"), r"<\1>"),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x…"),
    (re.compile(r"(?<=\d\.\d:)\d{2,5}\b|(?<=localhost:)\d{2,5}\b"), "…"),
    (re.compile(r"(?<=connection )\d+\b|(?<=thread )\d+\b"), "…"),
)
_SHOWN = ["outcome", "error_class", "error_code", "error_message", "error_phase", "connection_invalidated"]


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """Errors of which all recorded facts are equal."""

    outcome: str  # error or hang
    error_class: str  # class of the driver's exception; empty without one
    code: int | None  # the driver's native code, None without one
    message: str  # its shape: the text without what differs each time, such as ports and addresses
    phase: str  # checkout, execute or reset; empty if the environment was killed
    invalidated: bool | None  # whether SQLAlchemy invalidated the connection; None if it did not decide
    count: int  # requests that ended like this
    labels: dict[str, int]  # strategies that had it, with how often


def errors(scenario: Scenario) -> tuple[ErrorKind, ...]:
    """Every kind of error, the most frequent first."""
    rows = scenario.select(["label", "failed", *_SHOWN])
    failed = rows[rows["failed"]].astype({"connection_invalidated": object, "error_message": object})
    failed["error_message"] = failed["error_message"].map(shape, na_action="ignore")
    found = [
        _error_kind(facts, group)
        for facts, group in failed.groupby(_SHOWN, observed=True, dropna=False)
        if isinstance(facts, tuple)
    ]
    return tuple(sorted(found, key=lambda error: -error.count))


def shape(message: str) -> str:
    """What messages of one kind have in common: without numbers of ports and tasks, and addresses."""
    for pattern, instead in _ACCIDENTAL:
        message = pattern.sub(instead, message)
    return message


def _error_kind(facts: tuple[Any, ...], group: pd.DataFrame) -> ErrorKind:
    known = (None if pd.isna(fact) else fact for fact in facts)
    outcome, error_class, code, message, phase, invalidated = known
    counts = group["label"].value_counts()
    return ErrorKind(
        str(outcome),
        str(error_class or ""),
        None if code is None else int(code),
        str(message or ""),
        str(phase or ""),
        None if invalidated is None else bool(invalidated),
        len(group),
        {str(label): int(number) for label, number in counts[counts > 0].items()},
    )


@dataclass(frozen=True, slots=True)
class FirstFailures:
    """Failed first requests after gaps, of one strategy in one scenario."""

    failed: int  # how many failed, of `n`
    n: int  # requests after gaps longer than the timeout; without such gaps in the scenario, after any gap
    early_failed: int  # how many failed, of `early_n`
    early_n: int  # requests after gaps within the timeout that are not in `n`
    hung: bool  # whether any of `n` hung
    codes: tuple[int, ...]  # native error codes of the failed


def first_failures(scenario: Scenario) -> Mapping[str, FirstFailures]:
    """The failures of each label that sent a first request after a gap that counts."""
    columns = ["label", "failed", "outcome", "error_code", "observed_idle"]
    rows = scenario.select(columns, RequestKind.FIRST_AFTER_GAP)
    after = rows["observed_idle"] > 1
    early = ~after if after.any() else after
    groups = rows.assign(early=early).groupby("label", observed=True)
    return {str(label): _first_failures(part) for label, part in groups if not part["early"].all()}


def _first_failures(rows: pd.DataFrame) -> FirstFailures:
    early, rows = rows[rows["early"]], rows[~rows["early"]]
    failed = rows[rows["failed"]]
    return FirstFailures(
        len(failed),
        len(rows),
        int(early["failed"].sum()),
        len(early),
        bool((rows["outcome"] == Outcome.HANG).any()),
        tuple(sorted(int(code) for code in failed["error_code"].dropna().unique())),
    )


@dataclass(frozen=True, slots=True)
class FailureMatrix:
    """Failures by strategy and scenario."""

    names: tuple[str, ...]  # of the facts that tell the scenarios apart
    labels: tuple[str, ...]
    scenarios: tuple[tuple[Mapping[str, Any], Mapping[str, FirstFailures]], ...]  # facts, failures by label


def failure_matrix(scenarios: Sequence[Scenario]) -> FailureMatrix:
    """The failures of every strategy in every scenario."""
    labels = dict.fromkeys(label for scenario in scenarios for label in scenario.strategies)
    found = tuple((scenario.facts, first_failures(scenario)) for scenario in scenarios)
    return FailureMatrix(varying(scenarios), tuple(labels), found)


def hangs(scenario: Scenario, label: str) -> Estimate:
    """Share of first requests after the timeout that hung until their deadline."""
    rows = scenario.select(["outcome", "observed_idle"], RequestKind.FIRST_AFTER_GAP, label)
    after = rows.loc[rows["observed_idle"] > 1, "outcome"]
    return rate(int((after == Outcome.HANG).sum()), len(after))


def pings_after(scenario: Scenario, label: str) -> tuple[int, int]:
    """Pings sent before the first requests after the timeout, and the number of these requests."""
    rows = scenario.select(["pings", "observed_idle"], RequestKind.FIRST_AFTER_GAP, label)
    pings = rows.loc[rows["observed_idle"] > 1, "pings"]
    return int(pings.sum()), len(pings)


def after_stale(scenario: Scenario, label: str) -> pd.DataFrame:
    """Requests after a pool of several connections went stale together, by their ordinal after the gap.

    Returns:
        The shares `failed` and `opened` (a connection), and `n`, of requests after gaps asked for that are
        longer than the timeout.

    """
    rows = scenario.select(["role", "request", "gap_ratio", "failed", "connects"], label=label)
    rows = rows[(rows["role"] == Role.MEASURE) & (rows["gap_ratio"] > 1)]
    rows = rows.assign(opened=rows["connects"] > 0)
    groups = rows.groupby("request")
    return groups[["failed", "opened"]].mean().assign(n=groups.size())


@dataclass(frozen=True, slots=True)
class Incident:
    """A failed request and its neighbours in the same engine; seconds since the first was answered."""

    before: pd.Series  # the request that was answered on the connection
    failed: pd.Series  # the next one, on the same connection
    after: pd.Series | None  # the one after that; None if it did not reconnect
    failed_s: float  # when the failed request started
    timeout_s: float  # the proxy's idle client timeout
    closed_s: float | None  # when the proxy closed the connection, by its event log; None without an entry
    events: pd.DataFrame  # the proxy's events of these connections, with `at_s`; empty without an event log


def find_incident(scenario: Scenario) -> Incident | None:
    """Pick the reference's failure whose steps are spaced most evenly; None if no gap made it fail."""
    rows = scenario.rows[scenario.rows["label"] == REFERENCE].reset_index(drop=True)
    after_timeout = (rows["kind"] == RequestKind.FIRST_AFTER_GAP) & (rows["observed_idle"] > 1)
    candidates = rows[after_timeout & rows["failed"]]
    if candidates.empty:
        return None
    place = int(candidates.index[int(np.argmin((candidates["observed_idle"] - 2).abs()))])
    before, failed = rows.iloc[max(0, place - 1)], rows.iloc[place]
    if place == 0 or before["cell"] != failed["cell"]:
        return None
    after = rows.iloc[min(place + 1, len(rows) - 1)]
    reconnected = after["kind"] == RequestKind.AFTER_FAILURE and not after["failed"]
    start_ns = int(before["done_wall_ns"])
    clients = {row["connection_id"] for row in (before, *([after] if reconnected else []))}
    of_campaign = scenario.events["campaign"] == failed["campaign"]
    # Some drivers do not tell the id of their connection, and some events belong to no client.
    of_clients = scenario.events["client"].isin(clients) & scenario.events["client"].notna()
    events = scenario.events[of_campaign & of_clients]
    events = events.assign(at_s=(events["wall_ns"] - start_ns) / 1e9)
    closed = events[(events["kind"] == IDLE_CLOSE) & (events["client"] == before["connection_id"])]
    return Incident(
        before,
        failed,
        after if reconnected else None,
        (int(failed["started_wall_ns"]) - start_ns) / 1e9,
        scenario.timeout_s,
        float(closed["at_s"].iloc[0]) if len(closed) else None,
        events,
    )
