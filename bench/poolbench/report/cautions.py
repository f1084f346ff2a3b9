"""Warnings: what in the data asks for care when reading it, with advice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import pandas as pd

from poolbench.function.strategies import REFERENCE
from poolbench.report import clocks, disturbances, overlaps
from poolbench.report.comparison import Comparison
from poolbench.report.load import Dataset
from poolbench.report.render import number
from poolbench.report.requests import Kind
from poolbench.report.settings import Setting, twin_of

GAP_TOLERANCE = 0.05
CLOCK_TOLERANCE_S = 0.05  # well above what reading three clocks one after the other takes

_USED = ["environment", "kind", "gap_asked_s", "gap_ratio", "gap_seen", "gap_seen_s", *clocks.USED]


class Caution(Enum):
    """A kind of warning; the value is its advice."""

    LEFT_OUT = "The figures do not contain it. Sync again; if that does not help, the store is damaged."
    INCOMPLETE = "Go on with `poolbench campaign FILE --resume`: finished cells are not run again."
    GAP_OFF = (
        "Read the charts by the gap that was observed. If it is often off, use fewer lanes or longer gaps."
    )
    GAP_UNSEEN = "Their environment was killed before it could tell; they are shown at the gap asked for."
    ENVIRONMENT_REPLACED = (
        "The new environment had no pool to lose, so its first request is not an after-gap one."
    )
    SAMPLER_MISSED = (
        "Connection counts have holes; peaks may be missing from them. If the server or the proxy stood "
        "still then, so did requests, whatever their strategy."
    )
    PAIR_DIFFERS = (
        "The same strategy twice should not differ: do not trust differences smaller than this one."
    )
    CLOCKS_DISAGREE = "Gaps and connection ages rest on clocks that drift or were set; do not trust them."
    WINDOWS_OVERLAP = "The server was busy with another meanwhile, which a latency may show. Use fewer lanes."
    TIME_JUMPED = (
        "The machine slept, stood still or was overloaded, or a clock was set. What it met is in the figures "
        "as it was measured: run the campaign again if that is too much."
    )
    LABS_BESIDE = (
        "Other labs ran meanwhile: each takes processor time from the others, and latencies contain it. Do "
        "not rank what is close, and run one campaign at a time."
    )
    RESTARTED = (
        "Every connection was lost then, whatever its age: losses around that time are not the idle "
        "timeout's. Run the campaign again if they matter."
    )
    FREEZE_BY_SIGNAL = (
        "SIGSTOP stops the process but not its kernel, which goes on acknowledging packets. A check that "
        "makes a round trip sees the same as on Lambda; one that only looks at its socket may see more. With "
        "--freeze SIGSTOP+drop packets are lost, too."
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding."""

    caution: Caution
    what: str


def cautions(
    dataset: Dataset, compared: Sequence[tuple[Setting, Sequence[Comparison]]]
) -> tuple[Finding, ...]:
    """Everything there is to say, worst first."""
    counted = dataset.rows[_USED][dataset.rows["counted"]]
    return (
        *_left_out(dataset),
        *_incomplete(dataset),
        *_pairs(compared),
        *_environments(counted),
        *_gaps(counted),
        *_clocks(counted),
        *_overlaps(counted),
        *_disturbances(dataset, counted),
        *_sampling(dataset),
        *_freeze(dataset),
    )


def told(findings: Sequence[Finding]) -> tuple[str, ...]:
    """A line of each, without its advice."""
    return tuple(finding.what for finding in findings)


def _left_out(dataset: Dataset) -> Iterator[Finding]:
    for problem in dataset.problems:
        times = f" ({problem.count})" if problem.count > 1 else ""
        listed = f": {'; '.join(problem.examples)}" if problem.examples else ""
        yield Finding(Caution.LEFT_OUT, f"{problem.where} {problem.what}{times}{listed}")


def _incomplete(dataset: Dataset) -> Iterator[Finding]:
    for header in dataset.headers:
        of_campaign = (dataset.rows["campaign"] == header.campaign) & dataset.rows["counted"]
        done = set(dataset.rows.loc[of_campaign, "cell"].unique())
        planned = [cell["id"] for cell in header.content["cells"]]
        missing = [cell for cell in planned if cell not in done]
        if missing:
            listed = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
            yield Finding(
                Caution.INCOMPLETE,
                f"{header.campaign}: {len(missing)} of {len(planned)} cells are not finished: {listed}",
            )


def _pairs(compared: Sequence[tuple[Setting, Sequence[Comparison]]]) -> Iterator[Finding]:
    for setting, comparisons in compared:
        found = next((one for one in comparisons if one.label == twin_of(REFERENCE)), None)
        if found is not None and found.differs:
            ratio = found.ratio
            yield Finding(
                Caution.PAIR_DIFFERS,
                f"{setting.name}: {found.label} took {number(ratio.value)} times as long as {REFERENCE} "
                f"[{number(ratio.low)} to {number(ratio.high)}]",
            )


def _environments(rows: pd.DataFrame) -> Iterator[Finding]:
    cells = rows[rows["kind"] != Kind.BURST].groupby(["campaign", "cell"], observed=True)
    environments = cells["environment"].nunique()
    replaced = environments[environments > 1]
    if len(replaced):
        named = ", ".join(str(index[1]) for index in replaced.index[:10])
        yield Finding(
            Caution.ENVIRONMENT_REPLACED,
            f"{len(replaced)} of {len(environments)} cells ran in more than one environment: {named}",
        )


def _gaps(rows: pd.DataFrame) -> Iterator[Finding]:
    first = rows[(rows["kind"] == Kind.FIRST_AFTER_GAP) & (rows["gap_asked_s"] > 0)]
    off = (first["gap_s"] / first["gap_asked_s"] - 1).abs() > GAP_TOLERANCE
    other_side = (first["gap_seen"] > 1) != (first["gap_ratio"] > 1)
    crossed = int(other_side.sum())
    if off.any() or crossed:
        yield Finding(
            Caution.GAP_OFF,
            f"{int(off.sum())} of {len(first)} gaps differ by more than {GAP_TOLERANCE:.0%} from the one "
            f"asked for; {crossed} fell on the other side of the timeout",
        )
    unseen = int(first["gap_seen_s"].isna().sum())
    if unseen:
        yield Finding(
            Caution.GAP_UNSEEN,
            f"the gap before {unseen} of {len(first)} first-after-gap requests was not observed",
        )


def _clocks(rows: pd.DataFrame) -> Iterator[Finding]:
    apart = clocks.within_requests(rows)
    in_request, in_gap = (int((found > CLOCK_TOLERANCE_S).sum()) for found in (apart, clocks.over_gaps(rows)))
    if in_request or in_gap:
        yield Finding(
            Caution.CLOCKS_DISAGREE,
            f"wall, monotonic and boottime clocks differ by more than {1e3 * CLOCK_TOLERANCE_S:g} ms "
            f"within {in_request} requests, and wall and boottime in {in_gap} gaps, of {len(apart)}",
        )


def _overlaps(rows: pd.DataFrame) -> Iterator[Finding]:
    rows = rows[rows["kind"] != Kind.BURST]  # whose requests are to meet
    found = overlaps.overlapping(rows)
    if found:
        yield Finding(
            Caution.WINDOWS_OVERLAP,
            f"{found} of {len(rows)} requests began while another environment's was under way",
        )


def _disturbances(dataset: Dataset, rows: pd.DataFrame) -> Iterator[Finding]:
    for header in dataset.headers:
        if jumped := disturbances.jumps(header, rows[rows["campaign"] == header.campaign]):
            yield Finding(Caution.TIME_JUMPED, jumped)
        beside = [session.get("labs_beside", 0) for session in header.content["sessions"]]
        if any(beside):
            yield Finding(
                Caution.LABS_BESIDE,
                f"{header.campaign}: labs beside it on the same machine, {max(beside)} at most",
            )
        series = dataset.connections[dataset.connections["campaign"] == header.campaign]
        for restarted in disturbances.restarts(header, series):
            yield Finding(Caution.RESTARTED, restarted)


def _sampling(dataset: Dataset) -> Iterator[Finding]:
    for header in dataset.headers:
        tallies = [session.get("sampling") or {} for session in header.content["sessions"]]
        total = {
            key: sum(tally.get(key, 0) for tally in tallies)
            for key in ("samples", "missed", "late", "failed_slices", "events_forgotten")
        }
        if any(count for key, count in total.items() if key != "samples"):
            yield Finding(
                Caution.SAMPLER_MISSED,
                f"{header.campaign}: the sampler missed {total['missed']} ticks, {total['late']} were late "
                f"and {total['failed_slices']} slices of it failed; {total['samples']} values were taken; "
                f"{total['events_forgotten']} events were forgotten by the proxy",
            )


def _freeze(dataset: Dataset) -> Iterator[Finding]:
    of = [
        header.campaign for header in dataset.headers if header.content["target"].get("freeze") == "SIGSTOP"
    ]
    if of:
        yield Finding(
            Caution.FREEZE_BY_SIGNAL, f"environments were frozen by SIGSTOP alone in {', '.join(of)}"
        )
