import os
import subprocess
import sys
from pathlib import Path

import pytest

from poolbench.lab.process import anonymous_mb, descendants, started_at

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_processes_whose_names_are_no_text_are_read_as_well(tmp_path: Path) -> None:
    """Anybody on the machine may run one."""
    program = tmp_path / os.fsdecode(b"caf\xe9")
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", "input()", b"\xff"], stdin=subprocess.PIPE) as process:
        try:
            assert os.fsdecode(b"\xff") in descendants(os.getpid())[process.pid]
            assert int(started_at(process.pid)) > 0
        finally:
            process.kill()


def test_what_a_process_keeps_for_itself_is_its_memory_and_one_that_has_ended_has_none() -> None:
    def holding(size_mb: int) -> float:
        program = f"import sys; held = b'x' * {size_mb << 20}; print(flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin
            assert process.stdout
            process.stdout.readline()
            memory_mb = anonymous_mb(process.pid)
            process.stdin.close()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and still to be seen
            with pytest.raises(ProcessLookupError):
                anonymous_mb(process.pid)
        return memory_mb

    assert holding(60) - holding(20) == pytest.approx(40, abs=1)
