"""The log stream's lines and its tail."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.lab.aws.runtime import TAIL_BYTES, LogStream, end_lines, init_report_line, start_line


def test_the_lines_of_an_invocation() -> None:
    assert start_line("id-1", "$LATEST") == "START RequestId: id-1 Version: $LATEST\n"
    assert end_lines("id-1", 0.00123, memory_mb=128, used_mb=31) == (
        "END RequestId: id-1\n"
        "REPORT RequestId: id-1\tDuration: 1.23 ms\tBilled Duration: 2 ms\t"
        "Memory Size: 128 MB\tMax Memory Used: 31 MB\t\n"
    )


def test_a_cold_start_and_a_timeout_are_told() -> None:
    report = end_lines("i", 3.0, memory_mb=128, used_mb=31, init_s=0.0942, status="timeout").splitlines()[1]
    assert report.endswith("Max Memory Used: 31 MB\tInit Duration: 94.20 ms\tStatus: timeout\t")
    assert "\tBilled Duration: 3095 ms\t" in report  # 3000 + 94.2, rounded up


def test_the_line_of_an_init() -> None:
    assert init_report_line(0.20672, "init") == "INIT_REPORT Init Duration: 206.72 ms\tPhase: init\n"
    line = init_report_line(0.20672, "invoke", "error\tError Type: Runtime.ExitError")
    assert line.endswith("\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stream.log"


def test_lines_begin_on_a_new_line_whatever_the_handler_left(path: Path) -> None:
    stream = LogStream(path)
    stream.write("START\n")
    with path.open("a") as handler:
        handler.write("no newline")
    stream.write("END\n")
    assert path.read_text() == "START\nno newline\nEND\n"
    stream.close()


@given(before=st.binary(max_size=6000), after=st.binary(max_size=10_000))
def test_the_tail_is_the_end_of_what_came_since(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, after: bytes
) -> None:
    path = tmp_path_factory.mktemp("log") / "stream.log"
    stream = LogStream(path)
    path.write_bytes(before)
    since = stream.position()
    with path.open("ab") as handler:
        handler.write(after)
    assert stream.tail(since) == after[-TAIL_BYTES:]
    stream.close()
