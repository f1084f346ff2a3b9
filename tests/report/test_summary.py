import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame

from poolbench.report.load import Dataset
from poolbench.report.metrics.gaps import SUMMARISED, main_table, summarise
from poolbench.report.page import SUMMARY, Report, summary_of
from poolbench.report.scenarios import Scenario
from poolbench.report.statistics import quantile


def test_summary_agrees_with_the_main_table(scenario: Scenario) -> None:
    found = summarise(scenario.rows[list(SUMMARISED)])
    for row in main_table(scenario):
        first = found.xs((row.label, row.gap_ratio, "first_after_gap"))
        assert first["n"] == row.failed.n
        assert first["failed"] == row.failed_count
        if row.first.median.n:
            assert first["p50_s"] == row.first.median.value
            assert first["p99_s"] == row.first.p99.value
            assert first["max_s"] == row.first.maximum
        assert first["connects"] == pytest.approx(row.connects)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.floats(1e-6, 10), st.booleans()), min_size=1, max_size=80)
)
def test_quantiles_are_those_of_the_statistics_whatever_the_groups(
    requests: list[tuple[str, float, bool]],
) -> None:
    rows = DataFrame(requests, columns=["label", "latency_s", "failed"])
    rows = rows.assign(gap_ratio=1.0, kind="warm", connects=0, wire_commands=2.0)
    found = summarise(rows)
    for label in set(rows["label"]):
        answered = rows.loc[(rows["label"] == label) & ~rows["failed"], "latency_s"]
        line = found.xs((label, 1.0, "warm"))
        assert line["n"] == (rows["label"] == label).sum()
        for name, q in (("p50_s", 0.5), ("p95_s", 0.95), ("p99_s", 0.99)):
            expected = quantile(answered, q).value
            assert line[name] == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


def test_file_holds_plain_numbers_and_no_nan(dataset: Dataset, report: Report) -> None:
    path = report.page.parent / SUMMARY
    content = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert content == summary_of(dataset)
    assert content["campaigns"] == [dataset.headers[0].campaign]
    (entries,) = content["scenarios"].values()
    lost = [entry for entry in entries if entry["failed"] == entry["n"]]
    assert lost
    assert all(entry["p50_s"] is None for entry in lost)
    assert path.stat().st_size < 100_000
