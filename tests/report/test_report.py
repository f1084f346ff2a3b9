import html.parser
import re
from pathlib import Path
from typing import Any

import pytest

from poolbench.aws import cloudwatch
from poolbench.report.answer import as_markdown
from poolbench.report.load import CannotLoad, load
from poolbench.report.metrics.assessment import assess
from poolbench.report.page import Report, write_report
from poolbench.report.scenarios import split
from tests.report.edit import edit_rows, keep_only, small_campaign, spoiled_campaign


@pytest.fixture(scope="session")
def page(report: Report) -> str:
    return report.page.read_text()


class Outline(html.parser.HTMLParser):
    """Headings and everything that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.fetched: list[str] = []
        self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("h1", "h2"):
            self._in_heading = True
            self.headings.append("")
        named = dict(attrs)
        for name in ("src", "srcset", "xlink:href", "data"):
            if value := named.get(name):
                self.fetched.append(value)
        if tag == "link":
            self.fetched.append(str(named.get("href")))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h1", "h2"):
            self._in_heading = False

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self.headings[-1] += data


def test_page_opens_with_the_answer(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert outline.headings[0] == "Use recycle"


def test_page_says_that_the_lab_is_not_aws(page: str) -> None:
    assert "measured in the local lab, not on AWS" in page


def test_page_fetches_nothing(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert [link for link in outline.fetched if not link.startswith(("#", "data:"))] == []
    assert not re.search(r"url\((?!#)", page.replace("&quot;", '"'))
    assert "@import" not in page


def test_pictures_lie_beside_the_page(report: Report) -> None:
    names = {path.name for path in report.figures}
    assert {"cliff.png", "first_latency.png", "connections.png"} <= names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in report.figures)


def test_same_rows_make_the_same_page(campaign: Path, page: str, tmp_path: Path) -> None:
    assert write_report([campaign], tmp_path).page.read_text() == page


def test_why_is_in_figures_that_the_rows_bear_out(page: str) -> None:
    text = re.sub(r"<[^>]+>", " ", page)
    assert (
        "None of 60 first requests after the timeout failed (95 % upper bound on the failure rate: 6.1 %)."
        in text
    )
    assert "A warm request costs 2 commands on the wire" in text
    assert re.search(r"Failed requests:\s+queuepool\s+\(60 of 600\)", text)


def test_main_table_is_returned_and_set_for_the_terminal(report: Report) -> None:
    (rows,) = report.tables.values()
    assert len(rows) == 8 * 5
    lines = report.text.splitlines()
    assert lines[3].split()[:3] == ["strategy", "gap", "failed"]
    assert sum(line.startswith("queuepool ") for line in lines) == 5
    assert max(map(len, lines)) < 125


def test_campaign_in_which_every_strategy_lost_recommends_none(tmp_path: Path) -> None:
    small_campaign(tmp_path, strategies=("queuepool", "recycle_late"))
    page = write_report([tmp_path], tmp_path).page.read_text()
    assert "<h1>No strategy was safe</h1>" in page


def test_gaps_within_the_timeout_alone_recommend_nobody(tmp_path: Path) -> None:
    """The default pool would be the cheapest, and it is not safe beyond."""
    small_campaign(tmp_path, gaps=(0.5,))
    page = write_report([tmp_path], tmp_path).page.read_text()
    assert "<h1>No gap was longer than the timeout</h1>" in page
    assert "Recommended" not in page
    (scenario,) = split(load([tmp_path]))
    assert as_markdown(assess(scenario)).endswith("so none is recommended.")


def test_gaps_beyond_the_timeout_alone_do_not_praise_who_closes_its_connections(tmp_path: Path) -> None:
    small_campaign(tmp_path, gaps=(1.5,))
    page = write_report([tmp_path], tmp_path).page.read_text()
    assert "No gap was within the timeout" in page


def test_campaign_without_rows_still_makes_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    (tmp_path / "rows.parquet").unlink()
    report = write_report([tmp_path], tmp_path)
    page = report.page.read_text()
    assert "There are no results yet" in page
    assert "rows.parquet is missing" in page
    assert "8 of 8 cells are not finished" in page
    assert report.figures == ()


def test_half_a_campaign_reports_the_half_that_is_there(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def lose(rows: list[dict[str, Any]]) -> None:
        rows[:] = rows[: len(rows) // 2 + 5]

    edit_rows(tmp_path, lose)
    page = write_report([tmp_path], tmp_path).page.read_text()
    assert "cells are not finished" in page
    assert "queuepool" in page


@pytest.mark.parametrize("label", ["no_database", "queuepool-twin"])
def test_campaign_stopped_before_any_strategy_was_through_still_makes_a_page(
    label: str, tmp_path: Path
) -> None:
    small_campaign(tmp_path)
    keep_only(tmp_path, lambda row: row["label"] == label)
    page = write_report([tmp_path], tmp_path).page.read_text()
    assert "6 of 8 cells are not finished" in page
    assert "<h1>No strategy has been measured yet</h1>" in page


def test_environments_replaced_before_each_request_leave_no_gap_to_show(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    keep_only(tmp_path, lambda row: row["role"] == "prime")
    assert "nan" not in write_report([tmp_path], tmp_path).text


def test_text_from_the_campaign_cannot_become_markup(tmp_path: Path) -> None:
    spoiled_campaign(tmp_path)
    page = write_report([tmp_path], tmp_path).page.read_text()
    assert "alert(1)" in page
    assert "alert(2)" in page
    assert "alert(3)" in page
    assert "<script" not in page
    assert "<img" not in page


def test_settings_that_differ_get_sections_and_a_matrix(tmp_path: Path) -> None:
    made = [
        small_campaign(tmp_path / name, campaign=name, failure=name, strategies=("queuepool", "nullpool"))
        for name in ("idle_close", "idle_reset")
    ]
    report = write_report(made, tmp_path / "out")
    page = report.page.read_text()
    assert "Safe in all 2 scenarios: <code>nullpool</code>" in page
    names = {path.name for path in report.figures}
    assert {"matrix.png", "1-cliff.png", "2-cliff.png"} <= names
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_many_settings_make_tables_without_charts(tmp_path: Path) -> None:
    failures = ("idle_close", "idle_reset", "idle_error", "black_hole", "server_restart")
    made = [small_campaign(tmp_path / name, campaign=name, failure=name) for name in failures]
    report = write_report(made, tmp_path / "out")
    assert [path.name for path in report.figures] == ["matrix.png"]
    assert len(report.tables) == 5


def test_mixed_campaigns_are_refused_unless_asked_for(tmp_path: Path) -> None:
    near = small_campaign(tmp_path / "near")
    far = small_campaign(tmp_path / "far", campaign="far", rtt_s=0.01)
    with pytest.raises(CannotLoad, match="added_rtt_s"):
        write_report([near, far], tmp_path / "out")
    report = write_report([near, far], tmp_path / "out", mixed=True)
    assert len(report.tables) == 2
    assert "target.added_rtt_s 0.01" in report.page.read_text()


def test_results_from_aws_are_not_called_local(tmp_path: Path) -> None:
    small_campaign(tmp_path, target={"kind": "aws"})
    assert "local lab" not in write_report([tmp_path], tmp_path).page.read_text()


def test_added_round_trip_time_is_said(tmp_path: Path) -> None:
    small_campaign(tmp_path, rtt_s=0.005)
    page = write_report([tmp_path], tmp_path).page.read_text()
    assert "5.00 ms added to every round trip" in page
    assert "which adds 5.00 ms to every round trip" in page


def test_p99_that_too_few_requests_bound_is_not_told_as_one(page: str) -> None:
    """Of 60 requests beyond the timeout the slowest is known, and no p99."""
    assert re.search(r"max [\d.]+ ms \(n = 60, too few for a p99\)", page)
    assert "ms at p99" not in "".join(re.findall(r"The first request after the timeout takes[^<]*", page))


def test_heads_are_explained_where_nothing_can_be_pointed_with(page: str) -> None:
    assert page.count("Column definitions") >= 3
    assert "<dt>warm, ms: p99</dt>" in page


def test_metrics_of_cloudwatch_are_told_where_there_are_any(page: str, tmp_path: Path) -> None:
    small_campaign(tmp_path)
    values = [("AWS/RDS", "ClientConnections", 3.0), ("AWS/RDS", "ClientConnections", 7.0)]
    values += [("AWS/Lambda", "Errors", 2.0)]
    samples = [
        cloudwatch.Sample(minute * 60 * 10**9, namespace, "shop", metric, "Sum", value)
        for minute, (namespace, metric, value) in enumerate(values)
    ]
    cloudwatch.write(samples, tmp_path)
    told = write_report([tmp_path], tmp_path / "out").page.read_text()
    assert "CloudWatch metrics" not in page
    assert re.search(r"ClientConnections</td><td[^>]*>open</td><td>2</td><td>5.00</td><td>7.00", told)
    assert told.index("ClientConnections</td>") < told.index("Errors</td>")
