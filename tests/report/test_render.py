import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.report.render import (
    TableColumn,
    as_markdown,
    as_text,
    count,
    interval,
    number,
    percent,
    render,
)
from poolbench.report.statistics import Estimate

Line = tuple[str, float]
COLUMNS: tuple[TableColumn[Line], ...] = (
    TableColumn("", "name", "", lambda row: row[0], is_name=True),
    TableColumn("time, ms", "p50", "ms", lambda row: number(row[1]), lambda _: "1 to 2"),
    TableColumn("time, ms", "p99", "ms", lambda row: number(10 * row[1])),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.84321, "0.843"), (12.345, "12.3"), (123.45, "123"), (math.inf, "∞"), (math.nan, "-")],
)
def test_number_has_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(1e-9, 1e9))
def test_number_keeps_its_value_to_three_digits(value: float) -> None:
    assert float(number(value)) == pytest.approx(value, rel=0.006)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.001, "0.10 %"), (0.999, "99.90 %"), (0.061, "6 %"), (math.nan, "-")],
)
def test_share_that_is_not_quite_nothing_is_not_rounded_to_it(share: float, text: str) -> None:
    assert percent(share) == text


def test_count_shows_whole_numbers_as_such() -> None:
    assert [count(2.0), count(2.5), count(0.1167), count(math.nan)] == ["2", "2.5", "0.12", "-"]


def test_interval_without_observations_is_empty() -> None:
    assert interval(Estimate(math.nan, 0, 1, 0), number) == ""
    assert interval(Estimate(2, 1, math.inf, 9), number) == "1.00 to ∞"


def test_text_is_aligned_under_its_groups() -> None:
    text = as_text(render(COLUMNS, [("queuepool", 0.85), ("x", 12.0)]))
    assert text.splitlines() == [
        "           time, ms",
        "name         p50   p99",
        "queuepool  0.850  8.50",
        "x           12.0   120",
    ]


def test_markdown_has_one_head_and_its_rule() -> None:
    lines = as_markdown(render(COLUMNS, [("queuepool", 0.85)])).splitlines()
    assert lines == [
        "| name | time, ms p50 | time, ms p99 |",
        "| :-- | --: | --: |",
        "| queuepool | 0.850 [1 to 2] | 8.50 |",
    ]


def test_a_pipe_within_a_cell_does_not_end_it() -> None:
    modes: TableColumn[Line] = TableColumn("", "p50", "", lambda _: "3.7 | 12.0")
    assert as_markdown(render((modes,), [("x", 1.0)])).splitlines()[-1] == "| 3.7 \\| 12.0 |"


def test_a_group_narrower_than_its_name_is_widened_not_cut() -> None:
    narrow: TableColumn[Line] = TableColumn("first request after the gap", "n", "", lambda _: "1")
    last: TableColumn[Line] = TableColumn("", "end", "", lambda _: "2")
    over, heads, row = as_text(render((narrow, last), [("x", 1.0)])).splitlines()
    assert over == "first request after the gap"
    assert len(heads) == len(row) == len(over) + len("  end")
