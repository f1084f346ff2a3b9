"""The command line as a newcomer meets it: help, lists, exit codes, and errors with their cure."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from poolbench.campaign.file import packaged
from poolbench.cli.readme import ANSWER, END, RESULTS
from poolbench.function.drivers import DRIVERS
from poolbench.function.strategies import STRATEGIES
from poolbench.model.failures import MODES
from tests.report.edit import small_campaign, spoiled_campaign
from tests.users import Poolbench, run_poolbench


@pytest.mark.parametrize(
    ("verb", "names"),
    [
        ("strategies", list(STRATEGIES)),
        ("drivers", list(DRIVERS)),
        ("failures", list(MODES)),
        ("campaigns", packaged()),
    ],
)
def test_the_lists_name_everything_there_is_for_a_narrow_terminal_to_copy(
    tmp_path: Path, verb: str, names: list[str]
) -> None:
    code, output = run_poolbench(tmp_path, verb, COLUMNS="80")
    assert code == 0
    assert [name for name in names if f" {name} " not in output] == []


def test_a_plan_shows_cells_lanes_and_time_and_runs_nothing(tmp_path: Path) -> None:
    code, output = run_poolbench(tmp_path, "plan", "quick")
    assert code == 0
    assert "80 cells on 36 lanes, 5 rounds; 15 first-after-gap requests in each cell, 30 for each" in output
    assert "1600 invocations of 3 requests; expected wall time 1 min" in output
    assert "recycle_pre_ping-1.1x-0" in output
    assert list(tmp_path.iterdir()) == []


def test_without_an_extra_its_verb_names_it_and_the_others_work(tmp_path: Path) -> None:
    (tmp_path / "jupytext.py").write_text("raise ModuleNotFoundError(name='jupytext')")
    code, output = run_poolbench(tmp_path, "notebooks")
    cure = "the extras poolbench[cli,lab,report,notebooks] install everything"
    assert (code, output) == (1, f"poolbench: jupytext is not installed: {cure}\n")
    assert run_poolbench(tmp_path, "--help")[0] == 0


def test_a_terminal_without_columns_is_written_to_as_well(tmp_path: Path) -> None:
    code, output = run_poolbench(tmp_path, "plan", "smoke", COLUMNS="0")
    assert (code, "18 cells on 9 lanes" in output) == (0, True), output


def test_a_directory_that_has_been_removed_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    from_there = (
        "import os; os.rmdir(os.getcwd()); from poolbench.cli.main import main; main(['plan', 'smoke'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", from_there], cwd=tmp_path / "gone", stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 1
    assert done.stderr == b"poolbench: the current directory has been removed: go to another one\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["campain"], 2, "No such command 'campain'"),
        (["plan"], 2, "Missing argument 'FILE'"),
        (["plan", "quick", "--fast"], 2, "No such option"),
        (["campaign", "quikc"], 2, "campaign file 'quikc': No such file or directory; packaged are:"),
        (["campaign", "smoke", "--store", "ftp://host/x"], 2, "use a directory, file:///directory or s3://"),
        (["campaign", "smoke", "--store", "s3://me:secret@b/x"], 2, "store 's3://***@b/x': use a directory"),
        (["campaign", "smoke", "--store", "file:///x%00"], 2, "use a directory, file:///directory or s3://"),
        (["campaign", "smoke", "--store", "/dev/null"], 1, "cannot write writable: /dev/null is a file"),
        (["campaign", "smoke", "--resume"], 2, "no campaign 'smoke'; it is empty"),
        (["campaign", "smoke", "--freeze", "ice"], 2, "'ice' is not one of"),
        (["campaign", "smoke", "--server", "oracle"], 2, "server 'oracle' is neither a URL nor one of"),
        (["campaign", "smoke", "--server", "me:secret@host"], 2, "server '...' is neither a URL nor one of"),
        (["campaign", "smoke", "--url", "oracle"], 2, "--url is not mysql://user:password@host:port/schema"),
        (["campaign", "smoke", "--url", "mysql://me:/secret@host/x"], 2, "such as @ : / are written %40"),
        (
            ["report", "nowhere"],
            2,
            "directory 'nowhere' does not exist, and it is not a file:// or s3:// URL",
        ),
        (["sync", "empty", "out"], 2, "empty holds no campaign"),
        (["notebooks", "."], 2, ". holds no synced campaign"),
        (["doctor", "--clean", "--aws"], 2, "--clean: not with --aws"),
        (["doctor", "--store", "x", "--aws"], 2, "--store: not with --aws"),
        (["doctor", "--stack", "x"], 2, "--stack: only with --aws"),
        (["campaign", "smoke", "--url", ""], 2, "'--url' (env var: 'POOLBENCH_URL'): it is empty"),
        (["report", "runs", ""], 2, "'PLACES...': it is empty"),
        (["sync", "s3://[x", "out"], 2, "store 's3://[x': use a directory"),
        (["campaign", "aws", "--target", "aws", "--max-usd", "nan"], 2, "nan is not a finite number"),
        (["campaign", "smoke", "--bundle", "nope.zip"], 2, "--bundle: nope.zip is not a bundle"),
        (["bundle", "--module", "nope"], 2, "module 'nope' is not importable from here"),
        (["plan", "aws", "--target", "aws", "--region", "nowhere"], 2, "region: unknown 'nowhere'"),
        (["doctor", "--store", "s3://bucket"], 2, "only a directory can hold halves of objects"),
        (["lab", "up", "--server", "nope"], 2, "server 'nope' is neither a URL nor one of"),
        (["lab", "env"], 1, "the lab is not up; `poolbench lab up` starts it"),
        (["lab", "down"], 1, "the lab is not up"),
        (["lab", "up", "--idle-client-timeout", "nan"], 2, "IdleClientTimeout: nan is out of range"),
        (
            ["lab", "exec", "--idle-client-timeout", "0.5", "true"],
            2,
            "IdleClientTimeout: 0.5 is out of range",
        ),
    ],
)
def test_a_mistake_gets_one_clear_line_and_its_exit_code(
    poolbench: Poolbench,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found, output = poolbench(*arguments)
    assert (found, message in output) == (code, True), output
    assert "Traceback" not in output
    assert "secret" not in output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_nobody_can_take_is_an_error_and_not_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "poolbench", "strategies"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"poolbench: [Errno 28] No space left on device\n")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
    no_output = f"exec {sys.executable} -m poolbench campaign smoke --out /dev/null/x >&-"
    done = subprocess.run(["sh", "-c", no_output], cwd=tmp_path, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"poolbench: /dev/null/x: Not a directory\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_named_by_what_did_not_fit(tmp_path: Path) -> None:
    small_campaign(tmp_path / "one")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").symlink_to("/dev/full")
    code, output = run_poolbench(tmp_path, "report", "one", "--out", "out")
    assert (code, "poolbench: out: No space left on device" in output) == (1, True), output


@pytest.mark.parametrize(
    "state",
    ["", "[]", '{"pid": "x"}', '{"pid": 1, "started": "0", "variables": {"A": "b"}}'],
    ids=["empty", "no-table", "half", "of-another-process"],
)
def test_what_a_lab_left_that_is_gone_is_no_lab(tmp_path: Path, state: str) -> None:
    (tmp_path / "lab.json").write_text(state)
    code, output = run_poolbench(tmp_path, "lab", "env", POOLBENCH_LAB_STATE=str(tmp_path / "lab.json"))
    assert (code, "the lab is not up; `poolbench lab up` starts it" in output) == (1, True), output


def test_a_misspelt_strategy_in_a_file_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "x"\ndescription = ""\nseed = 1\nidle_client_timeout_s = 1\n'
        '[factors]\nstrategies = ["queuepol"]\ngaps = [1]\n[repetition]\nlanes = 1\n'
    )
    code, output = run_poolbench(tmp_path, "campaign", "mine.toml")
    assert code == 2
    assert "unknown strategy 'queuepol': did you mean 'queuepool'?" in output
    assert "database server" not in output


def test_a_store_that_cannot_be_written_is_found_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, output = run_poolbench(tmp_path, "campaign", "smoke", "--store", "file/store")
    assert code == 1
    assert "cannot write writable: Not a directory" in output
    assert "database server" not in output


def test_a_directory_without_a_campaign_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, output = run_poolbench(tmp_path, "report", "empty")
    assert (code, "empty holds no synced campaign: see `poolbench sync`" in output) == (2, True), output


def test_a_directory_of_campaigns_is_no_report_and_names_them(tmp_path: Path) -> None:
    small_campaign(tmp_path / "runs" / "one")
    code, output = run_poolbench(tmp_path, "report", "runs")
    assert (code, "name the campaigns to report together; it has runs/one\n" in output) == (2, True), output


def test_a_readme_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")
    code, output = run_poolbench(tmp_path, "readme", ".")
    assert (code, "README.md: not a text file" in output) == (2, True), output


def test_a_readme_without_markers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# nothing")
    code, output = run_poolbench(tmp_path, "readme", ".")
    assert code == 1
    assert f"has no line {ANSWER} with a line {END} after it" in output


def test_text_from_a_campaign_cannot_become_markup_in_a_readme(tmp_path: Path) -> None:
    spoiled_campaign(tmp_path / "spoiled")
    (tmp_path / "README.md").write_text(f"{ANSWER}\n{END}\n{RESULTS}\n{END}")
    code, output = run_poolbench(tmp_path, "readme", "spoiled")
    assert code == 0, output
    text = (tmp_path / "README.md").read_text()
    assert "&lt;script>alert(1)" in text
    assert "<script" not in text
    assert "<img" not in text


def test_a_clean_machine_is_told_so(tmp_path: Path) -> None:
    code, output = run_poolbench(tmp_path, "doctor", TMPDIR=str(tmp_path))
    assert code == 0, output
    assert "nothing is left over" in output


@pytest.mark.slow
def test_the_lab_goes_up_serves_commands_and_goes_down(tmp_path: Path) -> None:
    # The server's own cache stays where it is; only the lab's state is kept apart.
    variables = {"POOLBENCH_LAB_STATE": str(tmp_path / "lab.json"), "TMPDIR": str(tmp_path)}
    try:
        code, output = run_poolbench(tmp_path, "lab", "up", "--lanes", "1", **variables)
        assert code == 0, output
        assert (tmp_path / "lab.json").stat().st_mode & 0o077 == 0
        code, output = run_poolbench(tmp_path, "lab", "up", **variables)
        assert (code, "the lab is up" in output) == (1, True)
        code, output = run_poolbench(tmp_path, "lab", "env", **variables)
        assert "export AWS_ENDPOINT_URL=http://127.0.0.1:" in output
        query = (
            "import os, urllib.request as u, sqlalchemy as s; "
            "print(u.urlopen(os.environ['POOLBENCH_PROXY_CONTROL']).read().decode()); "
            "e = s.create_engine(os.environ['POOLBENCH_PROXY_URL']); "
            "print('answer', e.connect().execute(s.text('SELECT 6 * 7')).scalar())"
        )
        code, output = run_poolbench(tmp_path, "lab", "exec", "--", sys.executable, "-c", query, **variables)
        assert (code, "answer 42" in output, "PUT /settings" in output) == (0, True, True), output
        code, output = run_poolbench(tmp_path, "lab", "exec", "--lanes", "2", "true", **variables)
        assert (code, "--lanes: for a lab of this command's own" in output) == (2, True), output
        code, _ = run_poolbench(tmp_path, "lab", "exec", "--", "sh", "-c", "exit 7", **variables)
        assert code == 7
        code, _ = run_poolbench(tmp_path, "lab", "exec", "--", "sh", "-c", "kill -9 $$", **variables)
        assert code == 128 + 9, "as shells have it"
    finally:
        code, output = run_poolbench(tmp_path, "lab", "down", **variables)
    assert code == 0, output
    deadline = time.monotonic() + 60
    while list(tmp_path.glob("poolbench-lab-*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(tmp_path.glob("poolbench-lab-*")) == []
