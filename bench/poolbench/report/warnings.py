"""Warnings: findings about the data that the reader has to know, with advice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import pandas as pd

from poolbench.function.strategies import REFERENCE
from poolbench.report.load import Dataset
from poolbench.report.metrics import disturbances
from poolbench.report.metrics.comparison import Comparison
from poolbench.report.render import number
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import AA_CONTROL, Scenario

_GAP_TOLERANCE = 0.05
_CLOCK_TOLERANCE_S = 0.05  # well above the time that it takes to read three clocks one after the other
_LISTED = 10  # cells named in a warning; all are counted

_USED = [
    *("environment", "kind", "gap_asked_s", "gap_ratio", "observed_idle", "observed_idle_s"),
    *disturbances.CLOCK_COLUMNS,
]


class WarningKind(Enum):
    """A kind of warning; the value is its advice."""

    LEFT_OUT = "The results do not contain it. Sync again; if that does not help, the store is damaged."
    INCOMPLETE = "Continue with `poolbench campaign FILE --resume`: finished cells are not run again."
    GAP_OFF = "Read the charts by observed idle time. If gaps are often off, use fewer lanes or longer gaps."
    GAP_UNSEEN = "Their environment was killed before it could report; they are shown at the gap asked for."
    ENVIRONMENT_REPLACED = (
        "The new environment had no pooled connection, so its first request is not a first request after a "
        "gap."
    )
    SAMPLER_MISSED = (
        "Connection counts have holes and may miss peaks. If the server or the proxy stalled at these times, "
        "so did requests of every strategy."
    )
    CONTROL_DIFFERS = (
        "The same strategy measured twice should not differ: do not trust differences smaller than this one."
    )
    CLOCKS_DISAGREE = "Gaps and connection ages depend on clocks that drifted or were set; do not trust them."
    WINDOWS_OVERLAP = "The server was busy with another request, which adds to latencies. Use fewer lanes."
    TIME_JUMPED = (
        "The machine slept, stalled or was overloaded, or a clock was set. Affected requests are in the "
        "results as they were measured: run the campaign again if there are too many."
    )
    OTHER_LABS = (
        "Labs on one machine compete for processor time, which adds to latencies. Do not rank close results, "
        "and run one campaign at a time."
    )
    RESTARTED = (
        "A restart closes every connection, whatever its age: failures around that time are not due to the "
        "idle timeout. Run the campaign again if they matter."
    )
    FREEZE_BY_SIGNAL = (
        "SIGSTOP stops the process, but the host kernel keeps acknowledging packets, including the proxy's "
        "FIN. A check that makes a round trip sees the same as on Lambda; a check that only looks at its "
        "socket may see more. --freeze SIGSTOP+drop drops packets too."
    )


@dataclass(frozen=True, slots=True)
class DataWarning:
    """One finding; `kind` has the advice."""

    kind: WarningKind
    text: str


def find_warnings(
    dataset: Dataset, compared: Sequence[tuple[Scenario, Sequence[Comparison]]]
) -> tuple[DataWarning, ...]:
    """Every warning, the worst first."""
    counted = dataset.rows[_USED][dataset.rows["counted"]]
    return (
        *_left_out(dataset),
        *_incomplete(dataset),
        *_controls(compared),
        *_environments(counted),
        *_gaps(counted),
        *_clocks(counted),
        *_overlaps(counted),
        *_disturbances(dataset, counted),
        *_sampling(dataset),
        *_freeze(dataset),
    )


def _left_out(dataset: Dataset) -> Iterator[DataWarning]:
    for problem in dataset.problems:
        times = f" ({problem.count})" if problem.count > 1 else ""
        listed = f": {'; '.join(problem.examples)}" if problem.examples else ""
        yield DataWarning(WarningKind.LEFT_OUT, f"{problem.where} {problem.what}{times}{listed}")


def _incomplete(dataset: Dataset) -> Iterator[DataWarning]:
    for header in dataset.headers:
        of_campaign = (dataset.rows["campaign"] == header.campaign) & dataset.rows["counted"]
        done = set(dataset.rows.loc[of_campaign, "cell"].unique())
        planned = [cell.id for cell in header.cells]
        missing = [cell for cell in planned if cell not in done]
        if missing:
            listed = ", ".join(missing[:_LISTED]) + (", ..." if len(missing) > _LISTED else "")
            yield DataWarning(
                WarningKind.INCOMPLETE,
                f"{header.campaign}: {len(missing)} of {len(planned)} cells are not finished: {listed}",
            )


def _controls(compared: Sequence[tuple[Scenario, Sequence[Comparison]]]) -> Iterator[DataWarning]:
    for scenario, comparisons in compared:
        found = next((one for one in comparisons if one.label == AA_CONTROL), None)
        if found is not None and found.differs:
            ratio = found.ratio
            yield DataWarning(
                WarningKind.CONTROL_DIFFERS,
                f"{scenario.name}: {found.label} took {number(ratio.value)} times as long as {REFERENCE} "
                f"[{number(ratio.low)} to {number(ratio.high)}]",
            )


def _environments(rows: pd.DataFrame) -> Iterator[DataWarning]:
    cells = rows[rows["kind"] != RequestKind.BURST].groupby(["campaign", "cell"], observed=True)
    environments = cells["environment"].nunique()
    replaced = environments[environments > 1]
    if len(replaced):
        named = ", ".join(str(index[1]) for index in replaced.index[:_LISTED])
        yield DataWarning(
            WarningKind.ENVIRONMENT_REPLACED,
            f"{len(replaced)} of {len(environments)} cells ran in more than one environment: {named}",
        )


def _gaps(rows: pd.DataFrame) -> Iterator[DataWarning]:
    first = rows[(rows["kind"] == RequestKind.FIRST_AFTER_GAP) & (rows["gap_asked_s"] > 0)]
    off = (first["gap_s"] / first["gap_asked_s"] - 1).abs() > _GAP_TOLERANCE
    crossed = int(((first["observed_idle"] > 1) != (first["gap_ratio"] > 1)).sum())
    if off.any() or crossed:
        yield DataWarning(
            WarningKind.GAP_OFF,
            f"{int(off.sum())} of {len(first)} gaps differ by more than {_GAP_TOLERANCE:.0%} from the gap "
            f"asked for; {crossed} were on the other side of the timeout",
        )
    unseen = int(first["observed_idle_s"].isna().sum())
    if unseen:
        yield DataWarning(
            WarningKind.GAP_UNSEEN,
            f"the gap before {unseen} of {len(first)} first requests after a gap was not observed",
        )


def _clocks(rows: pd.DataFrame) -> Iterator[DataWarning]:
    apart = (disturbances.clocks_within_requests(rows), disturbances.clocks_over_gaps(rows))
    in_request, in_gap = (int((found > _CLOCK_TOLERANCE_S).sum()) for found in apart)
    if in_request or in_gap:
        yield DataWarning(
            WarningKind.CLOCKS_DISAGREE,
            f"wall, monotonic and boottime clocks differ by more than {1e3 * _CLOCK_TOLERANCE_S:g} ms "
            f"within {in_request} requests, and wall and boottime in {in_gap} gaps, of {len(apart[0])}",
        )


def _overlaps(rows: pd.DataFrame) -> Iterator[DataWarning]:
    rows = rows[rows["kind"] != RequestKind.BURST]  # requests of a burst overlap on purpose
    found = disturbances.overlapping(rows)
    if found:
        yield DataWarning(
            WarningKind.WINDOWS_OVERLAP,
            f"{found} of {len(rows)} requests began during a request of another environment",
        )


def _disturbances(dataset: Dataset, rows: pd.DataFrame) -> Iterator[DataWarning]:
    for header in dataset.headers:
        own = rows[rows["campaign"] == header.campaign]
        if jumps := disturbances.time_jumps(header, own):
            lengths = ", ".join(
                f"{length:.3g} s on the {clock} clock" for clock, length in jumps.longest_s.items()
            )
            yield DataWarning(
                WarningKind.TIME_JUMPED,
                f"{header.campaign}: clocks jumped {jumps.count} times, by at most {lengths}; "
                f"{jumps.met} of {len(own)} requests, or the gaps before them, were affected",
            )
        beside = [session.other_labs for session in header.sessions]
        if any(beside):
            yield DataWarning(
                WarningKind.OTHER_LABS,
                f"{header.campaign}: up to {max(beside)} other labs ran on the same machine",
            )
        series = dataset.connections[dataset.connections["campaign"] == header.campaign]
        for source, times in disturbances.restarts(header, series):
            yield DataWarning(
                WarningKind.RESTARTED, f"{header.campaign}: the {source} was restarted {times} times"
            )


def _sampling(dataset: Dataset) -> Iterator[DataWarning]:
    for header in dataset.headers:
        tallies = [session.sampling for session in header.sessions if session.sampling]
        total = {
            key: sum(getattr(tally, key) for tally in tallies)
            for key in ("samples", "missed", "late", "failed_slices", "events_forgotten")
        }
        if any(count for key, count in total.items() if key != "samples"):
            yield DataWarning(
                WarningKind.SAMPLER_MISSED,
                f"{header.campaign}: the sampler missed {total['missed']} ticks, {total['late']} were late "
                f"and {total['failed_slices']} of its slices failed; it took {total['samples']} values; "
                f"the proxy dropped {total['events_forgotten']} events",
            )


def _freeze(dataset: Dataset) -> Iterator[DataWarning]:
    of = [header.campaign for header in dataset.headers if header.target.freeze == "SIGSTOP"]
    if of:
        yield DataWarning(
            WarningKind.FREEZE_BY_SIGNAL, f"environments were frozen by SIGSTOP only: {', '.join(of)}"
        )
