"""Saved runs, and what is written of them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from micro.cases import Group
from micro.page import readme_table, write_page
from micro.summary import NotARun, load

pytestmark = pytest.mark.any_server


@pytest.mark.slow
def test_the_page_shows_every_group_and_benchmark(whole_run: tuple[Path, str], tmp_path: Path) -> None:
    written = write_page(whole_run[0], tmp_path / "new")
    html = written.page.read_text()
    for group in Group:
        assert f"<h2>{group}</h2>" in html
        assert group in written.text
    for name in ("pre_ping", "ROLLBACK of an update", "PyMySQL-TLS, driver&#39;s own context"):
        assert f'<td class="name">{name}</td>' in html
    assert "The same thing measured twice" in html
    assert "http://" not in html.replace("http://www.w3.org/", "")


@pytest.mark.slow
def test_readme_gets_microseconds_and_commands(whole_run: tuple[Path, str]) -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in readme_table(whole_run[0]).splitlines()
    ]
    assert rows[0] == ["", "median, µs", "p99, µs", "commands"]
    commands = {row[0]: row[-1] for row in rows[2:]}
    assert commands["ping"] == "1"
    assert commands["warm request, default pool"] == "2"
    assert commands["warm request, pre-ping"] == "3"
    assert commands["warm request, NullPool"] == "6"
    assert commands["first request of a new engine"] == "12"
    assert len(commands) == 14, "a benchmark has another name than README's table looks for"


@pytest.mark.slow
def test_a_kept_run_says_the_same_in_less_and_nothing_of_the_host(
    whole_run: tuple[Path, str], tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "micro", whole_run[0], tmp_path], check=True)
    file = tmp_path / "benchmark.json"
    assert file.stat().st_size < whole_run[0].stat().st_size
    before, after = load(whole_run[0]), load(file)
    assert after.facts == before.facts
    assert [(line.name, line.wire_commands) for line in after.lines] == [
        (line.name, line.wire_commands) for line in before.lines
    ]
    for kept, full in zip(after.lines, before.lines, strict=True):
        assert kept.seconds.maximum == pytest.approx(full.seconds.maximum, abs=1e-9)
    assert "node" not in json.loads(file.read_text())["machine_info"]
    summary = (tmp_path / "summary.md").read_text()
    assert all(f"## {group}" in summary for group in Group)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "is not a file of pytest-benchmark's"),
        ("{}", "is not a file of pytest-benchmark's"),
        (
            {"machine_info": {}, "commit_info": {}, "datetime": "", "benchmarks": [{"group": "g"}]},
            "is not a run of bench/micro",
        ),
    ],
)
def test_what_is_no_run_is_refused_in_one_line(content: Any, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "some.json"
    if content is not None:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(NotARun, match=complaint) as refusal:
        load(file)
    assert str(file) in str(refusal.value)
    assert "\n" not in str(refusal.value)
