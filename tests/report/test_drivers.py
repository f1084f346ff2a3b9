"""The table of commands by strategy and driver."""

from pathlib import Path

from poolbench.report.load import load
from poolbench.report.metrics.assessment import assess
from poolbench.report.page import _commands_by_driver
from poolbench.report.scenarios import split
from tests.report.edit import edit_rows, small_campaign


def test_commands_are_told_for_each_driver_and_only_where_nothing_was_lost(tmp_path: Path) -> None:
    first = small_campaign(tmp_path / "first")
    (one,) = split(load([first]))
    assert _commands_by_driver([(one, assess(one))]) is None

    def of_another_driver(rows: list[dict[str, object]]) -> None:
        for row in rows:
            row["driver"] = ("pymysql", "asyncmy")[int(str(row["round"]))]

    edit_rows(first, of_another_driver)
    found = [(scenario, assess(scenario)) for scenario in split(load([first]))]
    table = _commands_by_driver(found)
    assert table is not None
    assert [span for span in table.spans() if span[0]] == [
        (str(scenario.facts["driver"]), 2) for scenario, _ in found
    ]
    cells = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert cells["queuepool"][:2] == ["2", "-"]  # beyond the timeout it loses, so there is no price
    assert cells["pre_ping"][:2] == ["3", "7"]
