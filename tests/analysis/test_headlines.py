"""Where a strategy loses that is safe almost everywhere."""

from pathlib import Path

from bench.analysis.answer import answer
from bench.analysis.headlines import as_markdown, headlines, safe_everywhere
from bench.analysis.load import load
from bench.analysis.settings import split
from tests.analysis.edit import edit_rows, small_campaign


def test_a_strategy_that_loses_with_one_driver_of_three_is_a_headline(tmp_path: Path) -> None:
    drivers = ("pymysql", "mysqlclient", "asyncmy")
    campaigns = []
    for number, driver in enumerate(drivers):
        campaign = f"synthetic-20261123T12000{number}Z-0001"
        campaigns.append(small_campaign(tmp_path / driver, driver=driver, campaign=campaign))

    def lose_pings(rows: list[dict[str, object]]) -> None:
        for row in rows:
            if row["label"] == "pre_ping" and row["request"] == 0 and row["gap_ratio"] == 1.5:
                row.update(outcome="error", error_class="builtins.RuntimeError", error_message="another loop")

    edit_rows(campaigns[2], lose_pings)
    found = [(setting, answer(setting)) for setting in split(load(campaigns, mixed=True))]
    (only,) = headlines(found)  # queuepool loses everywhere, which is no news
    assert (only.label, only.measured) == ("pre_ping", 3)
    assert len(only.lost_in) == 1
    assert "asyncmy" in only.lost_in[0]
    assert headlines(found[:2]) == ()
    assert safe_everywhere(found[:2]) == ("pre_ping",)
    assert as_markdown(found[:2]) == "Safe in all 2 settings: `pre_ping`."
    assert as_markdown(found).splitlines() == [
        "Safe in all 3 settings: none.",
        "",
        "Safe almost everywhere, but not:",
        "",
        f"- `pre_ping` loses requests in 1 of 3 settings: {only.lost_in[0]}",
    ]
