"""pytest-benchmark's own saving and comparing, with this suite."""

import json
from pathlib import Path

import pytest
from sqlalchemy import URL

from micro.summary import load
from tests.micro.conftest import run_suite, text_of

pytestmark = [pytest.mark.slow, pytest.mark.any_server]  # each run of the suite is a process


@pytest.fixture(scope="module")
def saved(database_url: URL, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one benchmark, as --benchmark-save leaves it."""
    folder = tmp_path_factory.mktemp("saved")
    done = run_suite(
        *("-q", "--mysql-url", text_of(database_url), "-k", "command and ping", "--rounds", "20"),
        *("--benchmark-storage", f"file://{folder}", "--benchmark-save", "before"),
    )
    assert done.returncode == 0, done.stdout
    (file,) = folder.glob("*/0001_before.json")
    return file


def test_what_is_saved_has_its_rounds(saved: Path) -> None:
    (line, *_) = load(saved).lines
    assert line.seconds.median.n == 20


@pytest.mark.parametrize(("factor", "fails"), [(1e6, False), (1e-6, True)])
def test_a_run_fails_if_it_is_slower_than_the_saved_one_by_more_than_it_may(
    saved: Path, database_url: URL, tmp_path: Path, factor: float, fails: bool
) -> None:
    content = json.loads(saved.read_text())
    for benchmark in content["benchmarks"]:
        benchmark["stats"]["median"] *= factor
    doctored = tmp_path / "0001_before.json"
    doctored.write_text(json.dumps(content))
    done = run_suite(
        *("-q", "--mysql-url", text_of(database_url), "-k", "command and ping", "--rounds", "20"),
        *("--benchmark-compare", doctored, "--benchmark-compare-fail", "median:100%"),
    )
    assert ("Performance has regressed" in done.stdout + done.stderr) == fails, done.stdout
    assert (done.returncode != 0) == fails
