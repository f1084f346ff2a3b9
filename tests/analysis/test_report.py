import html.parser
import re
from pathlib import Path

import pytest

from bench.analysis.report import Report, write_report


@pytest.fixture(scope="session")
def report(campaign: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return write_report([campaign], tmp_path_factory.mktemp("report"))


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
