import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poolbench.report.load import load
from poolbench.report.metrics.assessment import assess
from poolbench.report.scenarios import split
from poolbench.report.warnings import WarningKind, find_warnings
from tests.report.edit import edit_header, edit_rows, small_campaign

Row = dict[str, Any]


def found_in(directory: Path) -> dict[WarningKind, str]:
    dataset = load([directory])
    compared = [(scenario, assess(scenario).comparisons) for scenario in split(dataset)]
    return {one.kind: one.text for one in find_warnings(dataset, compared)}


def test_clean_campaign_has_no_warning(tmp_path: Path, campaign: Path) -> None:
    assert found_in(small_campaign(tmp_path)) == {}
    assert set(found_in(campaign)) == {WarningKind.WINDOWS_OVERLAP}  # its many lanes take no turns


def test_requests_of_two_environments_at_once_are_counted(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def meet(rows: list[Row]) -> None:
        last, other = rows[-1], rows[0]
        assert last["environment"] != other["environment"]
        last["done_wall_ns"] += 20_000_000
        later_ns = last["started_wall_ns"] + 1_000_000 - other["started_wall_ns"]
        for moment in ("started_wall_ns", "done_wall_ns"):
            other[moment] += later_ns

    edit_rows(tmp_path, meet)
    assert "1 of 96 requests began during" in found_in(tmp_path)[WarningKind.WINDOWS_OVERLAP]


def test_a_campaign_beside_another_lab_says_so(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def beside(header: Row) -> None:
        (session,) = header["sessions"]
        header["sessions"] = [session | {"other_labs": 0}, session | {"other_labs": 2}]

    edit_header(tmp_path, beside)
    assert found_in(tmp_path)[WarningKind.OTHER_LABS].endswith(": up to 2 other labs ran on the same machine")


def test_every_warning_has_advice() -> None:
    assert all(len(kind.value) > 30 for kind in WarningKind)


def after_gap(change: Callable[[Row], None]) -> Callable[[list[Row]], None]:
    def edit(rows: list[Row]) -> None:
        for row in rows:
            if row["state"] == "first_after_gap" and row["role"] == "measure":
                change(row)

    return edit


def late(row: Row) -> None:
    row["gap_s"] *= 1.2
    row["connection_idle_s"] = None


def unseen(row: Row) -> None:
    row["gap_s"] = row["connection_idle_s"] = None


def other_environment(row: Row) -> None:
    row["environment"] = f"{row['environment']}-{row['round']}"


def clock_set_back(row: Row) -> None:
    row["done_wall_ns"] -= 3_600_000_000_000


def clock_behind(row: Row) -> None:
    row["started_wall_ns"] -= 1_000_000_000
    row["done_wall_ns"] -= 1_000_000_000


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (late, WarningKind.GAP_OFF, "16 of 16 gaps differ by more than 5%"),
        (unseen, WarningKind.GAP_UNSEEN, "16 of 16"),
        (other_environment, WarningKind.ENVIRONMENT_REPLACED, "8 of 8 cells"),
        (clock_set_back, WarningKind.CLOCKS_DISAGREE, "within 16 requests"),
        (clock_behind, WarningKind.CLOCKS_DISAGREE, "in 32 gaps"),
    ],
)
def test_rows_that_ask_for_care_get_it(
    tmp_path: Path, change: Callable[[Row], None], kind: WarningKind, words: str
) -> None:
    small_campaign(tmp_path)
    edit_rows(tmp_path, after_gap(change))
    assert words in found_in(tmp_path)[kind]


def test_gap_on_the_other_side_of_the_timeout_is_said_even_if_it_is_close(tmp_path: Path) -> None:
    small_campaign(tmp_path, gaps=(0.98, 1.5))

    def drift(row: Row) -> None:
        if row["gap_ratio"] < 1:
            row.update(gap_s=2.02, connection_idle_s=2.02)

    edit_rows(tmp_path, after_gap(drift))
    assert "0 of 16 gaps differ" in found_in(tmp_path)[WarningKind.GAP_OFF]
    assert "8 were on the other side" in found_in(tmp_path)[WarningKind.GAP_OFF]


def test_killed_environment_has_no_clocks_to_disagree(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def kill(row: Row) -> None:
        for moment in ("started", "done"):
            row[f"{moment}_monotonic_ns"] = row[f"{moment}_boottime_ns"] = 0
        row.update(gap_s=None, connection_idle_s=None)

    edit_rows(tmp_path, after_gap(kill))
    assert WarningKind.CLOCKS_DISAGREE not in found_in(tmp_path)


def test_pair_that_differs_is_said_with_its_ratio(tmp_path: Path) -> None:
    small_campaign(tmp_path, rounds=10)

    def slow_twin(rows: list[Row]) -> None:
        for row in rows:
            if row["aa_control"]:
                row["latency_s"] *= 1.5

    edit_rows(tmp_path, slow_twin)
    assert "queuepool-twin took 1.5" in found_in(tmp_path)[WarningKind.CONTROL_DIFFERS]


def test_unfinished_cells_are_named(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def lose(rows: list[Row]) -> None:
        rows[:] = [row for row in rows if row["cell"] != "pre_ping-1.5x-0"]

    edit_rows(tmp_path, lose)
    assert "1 of 8 cells are not finished: pre_ping-1.5x-0" in found_in(tmp_path)[WarningKind.INCOMPLETE]


def test_missed_samples_are_counted(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    edit_header(
        tmp_path,
        lambda header: header["sessions"][0]["sampling"].update(missed=3, late=7, events_forgotten=2),
    )
    said = found_in(tmp_path)[WarningKind.SAMPLER_MISSED]
    assert "the sampler missed 3 ticks, 7 were late" in said
    assert "the proxy dropped 2 events" in said


def test_time_that_jumped_is_said_with_the_requests_that_it_met(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def stop_early(header: Row) -> None:
        session = header["sessions"][0]
        jump = {"wall_ns": session["started_wall_ns"], "wall_s": 3.2, "monotonic_s": 3.2, "boottime_s": 3.2}
        session["jumps"] = [jump, jump | {"wall_ns": session["ended_wall_ns"] + 10**12, "wall_s": -3600}]

    edit_header(tmp_path, stop_early)
    said = found_in(tmp_path)[WarningKind.TIME_JUMPED]
    assert (
        "clocks jumped 2 times, by at most -3.6e+03 s on the wall clock, 3.2 s on the monotonic clock" in said
    )
    met = int(said.rpartition("; ")[2].split()[0])
    assert 0 < met < 96


def falling(directory: Path, source: str, metric: str, fall_s: float) -> None:
    """Add a counter that begins anew so many seconds after the session."""
    path = directory / "connections.parquet"
    table = pq.read_table(path)
    start_ns = json.loads((directory / "header.json").read_text())["sessions"][0]["started_wall_ns"]
    seconds = range(-10, 60)
    entries = {
        "wall_ns": [start_ns + at_s * 10**9 for at_s in seconds],
        "source": [source] * 70,
        "metric": [metric] * 70,
        "group": [""] * 70,
        "value": [float(at_s + 100 if at_s < fall_s else at_s - fall_s) for at_s in seconds],
    }
    pq.write_table(pa.concat_tables([table, pa.table(entries, schema=table.schema)]), path)


@pytest.mark.parametrize(("source", "metric"), [("server", "Uptime"), ("proxy", "ClientConnectionsReceived")])
def test_a_restart_is_said(tmp_path: Path, source: str, metric: str) -> None:
    small_campaign(tmp_path)
    falling(tmp_path, source, metric, 20)
    assert f"the {source} was restarted 1 times" in found_in(tmp_path)[WarningKind.RESTARTED]


def test_the_lab_of_another_session_is_no_restart(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    falling(tmp_path, "server", "Uptime", 0)
    assert WarningKind.RESTARTED not in found_in(tmp_path)


def test_freeze_by_signal_is_said(tmp_path: Path) -> None:
    small_campaign(tmp_path, target={"freeze": "SIGSTOP"})
    assert "SIGSTOP" in found_in(tmp_path)[WarningKind.FREEZE_BY_SIGNAL]


def test_what_was_left_out_comes_first(tmp_path: Path) -> None:
    small_campaign(tmp_path, target={"freeze": "SIGSTOP"})
    (tmp_path / "connections.parquet").unlink()
    found = found_in(tmp_path)
    assert next(iter(found)) is WarningKind.LEFT_OUT
    assert "connections.parquet is missing" in found[WarningKind.LEFT_OUT]
