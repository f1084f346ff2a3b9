from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from poolbench.function.strategies import CONTROL, STRATEGIES
from poolbench.report.charts.cliff import CHART as CLIFF
from poolbench.report.charts.latency import first_latency
from poolbench.report.charts.matrix import matrix
from poolbench.report.charts.phases import phases
from poolbench.report.charts.registry import CHARTS
from poolbench.report.charts.style import ScenarioChart, look_of, name_of, to_svg, write_png
from poolbench.report.charts.timeline import timeline
from poolbench.report.charts.unanswered import unanswered
from poolbench.report.load import load
from poolbench.report.metrics.assessment import assess
from poolbench.report.metrics.failures import failure_matrix, find_incident
from poolbench.report.metrics.latency import first_requests, phase_medians, tails
from poolbench.report.requests import RequestKind
from poolbench.report.scenarios import Scenario, split
from tests.report.drawn import points_of
from tests.report.edit import edit_rows, small_campaign

UNITS = ("ms", " s", "÷", "requests", "commands", "connections", "failed", "unanswered")


def texts_of(figure: Figure) -> str:
    axes = [text for axis in figure.axes for text in (axis.get_xlabel(), axis.get_ylabel())]
    return " ".join([*axes, *(text.get_text() for text in figure.texts), *_labels(figure)])


def _labels(figure: Figure) -> list[str]:
    return [figure.get_supxlabel(), figure.get_supylabel()]


def cliff_of(scenario: Scenario) -> Figure:
    return drawn(CLIFF, scenario)


def drawn(chart: ScenarioChart, scenario: Scenario) -> Figure:
    figure = chart.draw(scenario, assess(scenario))
    assert figure is not None
    return figure


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_axes_say_their_unit_and_which_side_is_better(chart: ScenarioChart, scenario: Scenario) -> None:
    said = texts_of(drawn(chart, scenario))
    assert any(unit in said for unit in UNITS), said
    # A timeline and a map of causes have no better side.
    assert ("better" in said) is (chart.name not in {"timeline", "recycle_region"}), said


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_the_same_setting_draws_the_same_bytes(chart: ScenarioChart, scenario: Scenario) -> None:
    once, again = (to_svg(drawn(chart, scenario), "x") for _ in range(2))
    assert once == again


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_charts_stand_the_least_of_campaigns(chart: ScenarioChart, tmp_path: Path) -> None:
    """One gap within the timeout, nothing lost, nothing sampled: draw what there is, or nothing."""
    small_campaign(tmp_path, strategies=("queuepool",), gaps=(0.5,), rounds=1)
    (tmp_path / "connections.parquet").unlink()
    (scenario,) = split(load([tmp_path]))
    figure = chart.draw(scenario, assess(scenario))
    if figure is not None:
        write_png(figure, tmp_path / "x.png")
    assert (figure is None) is (chart.name in {"timeline", "connections", "recycle_region", "tradeoff"})


def test_every_first_after_gap_request_is_a_point(scenario: Scenario) -> None:
    figure = first_latency(scenario.labels, first_requests(scenario))
    shown = sum(len(points_of(axis)) for axis in figure.axes)
    assert shown == len(scenario.select([], RequestKind.FIRST_AFTER_GAP))


def test_latency_is_drawn_where_it_was_measured(scenario: Scenario) -> None:
    figure = first_latency(scenario.labels, first_requests(scenario))
    points = points_of(figure.axes[scenario.labels.index("nullpool")])
    measured = scenario.select(["latency_s"], RequestKind.FIRST_AFTER_GAP, "nullpool")["latency_s"]
    assert sorted(points[:, 1]) == pytest.approx(sorted(1e3 * measured))


def test_a_bar_that_dwarfs_the_others_ends_at_the_edge_and_says_how_long_it_is(tmp_path: Path) -> None:
    small_campaign(tmp_path, strategies=("queuepool", "nullpool", "recycle", "pre_ping"), gaps=(1.5,))

    def wait(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["label"] == "pre_ping" and row["connects"]:
                row.update(latency_s=2.0, checkout_s=2.0, ping_s=1.99)

    edit_rows(tmp_path, wait)
    (scenario,) = split(load([tmp_path]))
    figure = phases(scenario.strategies, phase_medians(scenario))
    assert figure is not None
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["warm", "first after a gap, connected"]
    assert figure.axes[0].get_xlim()[1] < 100
    assert [text.get_text() for axis in figure.axes for text in axis.texts] == ["2000 ms →"]


def test_a_legend_of_every_strategy_fits_beside_lines_that_can_be_seen(tmp_path: Path) -> None:
    names = tuple(name for name in STRATEGIES if not STRATEGIES[name].token)
    small_campaign(tmp_path, strategies=names, gaps=(1.5,), rounds=1)
    (scenario,) = split(load([tmp_path]))
    figure = unanswered(tails(scenario))
    assert figure is not None
    write_png(figure, tmp_path / "x.png")
    (legend,) = figure.legends
    room = legend.get_window_extent()
    assert (room.x0 >= 0, room.x1 <= figure.bbox.width) == (True, True)
    (axis,) = figure.axes  # nothing was measured within the timeout
    assert [text.get_text() for text in axis.texts] == []
    assert "strategies with requests that were never answered" in axis.get_title(loc="right")


def test_timeline_is_drawn_from_what_the_proxy_said_it_did(scenario: Scenario) -> None:
    incident = find_incident(scenario)
    assert incident is not None
    assert incident.closed_s == pytest.approx(scenario.timeout_s, abs=1e-6)
    figure = timeline(find_incident(scenario))
    assert figure is not None
    said = [text.get_text() for text in figure.axes[0].texts]
    assert "idle close" in said
    assert any("after 2 s of silence" in text for text in said)


def test_timeline_of_a_driver_that_does_not_name_its_connections_has_no_events(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def forget(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["connection_id"] = None

    edit_rows(tmp_path, forget)
    (scenario,) = split(load([tmp_path]))
    incident = find_incident(scenario)
    assert incident is not None
    assert incident.events.empty
    assert timeline(find_incident(scenario)) is not None


def test_timeline_of_a_proxy_without_an_event_log_says_so(tmp_path: Path) -> None:
    small_campaign(tmp_path, target={"kind": "aws"})
    dataset = load([tmp_path])
    assert dataset.problems == ()
    (scenario,) = split(dataset)
    figure = timeline(find_incident(scenario))
    assert figure is not None
    said = [text.get_text() for text in figure.axes[0].texts]
    assert "none: the time of the close is the proxy's setting" in said
    assert "idle close" not in said


def test_strategies_are_told_apart_without_colour() -> None:
    looks = [look_of(label) for label in (*STRATEGIES, CONTROL)]
    assert len({(look.marker, str(look.line)) for look in looks}) == len(looks)


def test_one_setting_needs_no_matrix(scenario: Scenario) -> None:
    assert matrix(failure_matrix([scenario])) is None


def test_matrix_shows_every_cell_with_its_count(tmp_path: Path) -> None:
    made = [
        small_campaign(tmp_path / failure, campaign=failure, failure=failure)
        for failure in ("idle_close", "idle_reset")
    ]
    figure = matrix(failure_matrix(split(load(made))))
    assert figure is not None
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(texts) == ["0/2", "0/2", "2/2\n2013", "2/2\n2013"]


def test_matrix_shows_behind_a_plus_what_is_lost_within_the_timeout(tmp_path: Path) -> None:
    made = [
        small_campaign(tmp_path / name, campaign=name, failure=name) for name in ("idle_close", "idle_reset")
    ]

    def lose_early(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["label"] == "pre_ping" and row["gap_ratio"] < 1:
                row.update(outcome="error", error_class="builtins.RuntimeError", error_message="another loop")

    edit_rows(made[1], lose_early)
    figure = matrix(failure_matrix(split(load(made))))
    assert figure is not None
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "0/2",
        "2/2\n2013",
        "0/2\n+2/2",
        "2/2\n2013",
    ]
    assert "+: after shorter gaps" in figure.get_supxlabel()


def test_matrix_of_many_settings_has_a_panel_for_each_driver(tmp_path: Path) -> None:
    made = [
        small_campaign(
            tmp_path / f"{driver}-{failure}",
            campaign=f"{driver}-{failure}",
            driver=driver,
            failure=failure,
            strategies=("queuepool", "pre_ping") if driver == "pymysql" else ("queuepool",),
        )
        for driver in ("pymysql", "asyncmy", "mysqlclient")
        for failure in ("idle_close", "idle_reset", "wait_timeout")
    ]
    figure = matrix(failure_matrix(split(load(made))))
    assert figure is not None
    texts = {axis.get_title(loc="left"): [text.get_text() for text in axis.texts] for axis in figure.axes}
    assert sorted(texts) == ["asyncmy", "mysqlclient", "pymysql"]
    assert texts["pymysql"] == ["", "2/2"] * 3
    assert texts["asyncmy"] == ["-", "2/2"] * 3


def test_matrix_of_trouble_without_a_gap_beyond_the_timeout_takes_the_gaps_there_are(tmp_path: Path) -> None:
    made = [
        small_campaign(tmp_path / name, campaign=name, failure=name, gaps=(0.5,))
        for name in ("idle_close", "idle_reset")
    ]
    figure = matrix(failure_matrix(split(load(made))))
    assert figure is not None
    assert [text.get_text() for text in figure.axes[0].texts] == ["0/2"] * 4


def test_svg_leaves_colours_of_text_to_the_page(scenario: Scenario) -> None:
    svg = to_svg(drawn(CHARTS[1], scenario), "cliff")
    assert "var(--ink)" in svg
    assert "#1c1c20" not in svg
    assert "<style" not in svg
    assert "<metadata" not in svg


def test_ids_of_two_charts_never_meet(scenario: Scenario) -> None:
    one, other = to_svg(drawn(CHARTS[0], scenario), "one"), to_svg(drawn(CHARTS[0], scenario), "other")
    assert 'id="one-0"' in one
    assert 'id="one-' not in other


def test_gap_that_was_longer_than_asked_for_stays_on_the_cliff(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def late(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["connection_idle_s"] = row["connection_idle_s"] and 2.5 * row["connection_idle_s"]
            row["gap_s"] = row["gap_s"] and 2.5 * row["gap_s"]

    edit_rows(tmp_path, late)
    (scenario,) = split(load([tmp_path]))
    seen = scenario.select(["observed_idle"], RequestKind.FIRST_AFTER_GAP)["observed_idle"].median()
    assert seen > 1.5
    assert cliff_of(scenario).axes[0].get_xlim()[1] > seen


def test_one_gap_in_which_the_machine_slept_lies_on_the_cliff_to_the_right_of_all_others(
    tmp_path: Path,
) -> None:
    small_campaign(tmp_path, rounds=4)
    slept = 13.0

    def sleep(rows: list[dict[str, Any]]) -> None:
        wanted = {"label": "pre_ping", "gap_ratio": 0.5, "state": "first_after_gap", "role": "measure"}
        row = next(row for row in rows if row.items() >= wanted.items())
        row["gap_s"] *= slept / 0.5
        row["connection_idle_s"] = None

    edit_rows(tmp_path, sleep)
    (scenario,) = split(load([tmp_path]))
    axis = cliff_of(scenario).axes[scenario.strategies.index("pre_ping")]
    (drawn_as,) = (one for one in axis.containers if isinstance(one, ErrorbarContainer))
    seen = np.asarray(drawn_as.lines[0].get_xdata(), float)
    assert seen[-1] == pytest.approx(slept, rel=0.01)
    assert (list(seen) == sorted(seen), seen[-1] < axis.get_xlim()[1]) == (True, True)


def test_timeline_tells_a_failure_with_room_for_its_steps(scenario: Scenario) -> None:
    incident = find_incident(scenario)
    assert incident is not None
    lost = scenario.rows[scenario.rows["failed"] & (scenario.rows["label"] == "queuepool")]["observed_idle"]
    assert abs(incident.failed["observed_idle"] - 2) == (lost - 2).abs().min()


def test_a_long_name_of_somebodys_own_engine_fits_into_every_chart(tmp_path: Path) -> None:
    """Layout that finds no room warns, and warnings are errors here."""
    small_campaign(tmp_path)
    own = "my_application.engines:make_engine_for_reports"

    def rename(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["label"] == "pre_ping":
                row["label"] = row["strategy"] = own

    edit_rows(tmp_path, rename)
    (scenario,) = split(load([tmp_path]))
    for chart in CHARTS:
        figure = chart.draw(scenario, assess(scenario))
        if figure is not None:
            assert to_svg(figure, chart.name)
    assert own.endswith(name_of(own)[1:])
    assert all(name_of(label) == label for label in STRATEGIES)
