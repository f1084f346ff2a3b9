"""Where a strategy fails that is safe almost everywhere."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from poolbench.report.load import load
from poolbench.report.metrics.assessment import _titles, assess, rare_failures, safe_everywhere
from poolbench.report.overview import of_scenarios
from poolbench.report.scenarios import split
from tests.report.edit import edit_rows, small_campaign


def test_a_strategy_that_fails_with_one_driver_of_three_is_a_rare_failure(tmp_path: Path) -> None:
    drivers = ("pymysql", "mysqlclient", "asyncmy")
    campaigns = []
    for number, driver in enumerate(drivers):
        campaign = f"synthetic-20261123T12000{number}Z-0001"
        campaigns.append(small_campaign(tmp_path / driver, driver=driver, campaign=campaign))

    def fail_pings(rows: list[dict[str, object]]) -> None:
        for row in rows:
            if row["label"] == "pre_ping" and row["request"] == 0 and row["gap_ratio"] == 1.5:
                row.update(outcome="error", error_class="builtins.RuntimeError", error_message="another loop")

    edit_rows(campaigns[2], fail_pings)
    found = [(scenario, assess(scenario)) for scenario in split(load(campaigns, mixed=True))]
    (only,) = rare_failures(found)  # queuepool fails everywhere
    assert (only.labels, only.measured, only.failed) == (("pre_ping",), 3, 1)
    assert len(only.failed_in) == 1
    assert "asyncmy" in only.failed_in[0]
    assert rare_failures(found[:2]) == ()
    assert safe_everywhere(found[:2]) == ("pre_ping",)
    assert of_scenarios(found[:2]) == "Safe in all 2 scenarios: `pre_ping`."
    assert of_scenarios(found).splitlines() == [
        "Safe in all 3 scenarios: none.",
        "",
        "Safe in most scenarios, with failed requests",
        "",
        f"- in 1 of 3 ({only.failed_in[0]}): `pre_ping`",
    ]


def test_a_value_with_which_a_strategy_always_fails_stands_for_its_scenarios() -> None:
    drivers, failures = ("pymysql", "asyncmy_run", "aiomysql_run"), ("idle_close", "idle_reset")
    measured = [(driver, failure) for driver in drivers for failure in failures]
    failed = [("pymysql", "idle_reset"), ("aiomysql_run", "idle_close"), ("aiomysql_run", "idle_reset")]
    assert list(_titles(failed, measured)) == ["all with aiomysql_run", "pymysql, idle_reset"]
    assert list(_titles(failed[:2], measured)) == ["pymysql, idle_reset", "aiomysql_run, idle_close"]
    assert list(_titles([("asyncmy_run",)], [("asyncmy_run",), ("pymysql",)])) == ["asyncmy_run"]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, unique=True), st.data()
)
def test_titles_name_each_scenario_once_and_no_other(
    measured: list[tuple[str, str]], data: st.DataObject
) -> None:
    failed = data.draw(st.lists(st.sampled_from(measured), min_size=1, unique=True))
    named: list[tuple[str, str]] = []
    for title in _titles(failed, measured):
        _, is_all, value = title.partition("all with ")
        fitting = [facts for facts in measured if (value in facts if is_all else ", ".join(facts) == title)]
        named += [facts for facts in fitting if facts not in named]
    assert sorted(named) == sorted(failed)
