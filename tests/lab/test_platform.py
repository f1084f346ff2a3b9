import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.lab.platform import descendants, started_at

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_processes_whose_names_are_no_text_are_read_as_well(tmp_path: Path) -> None:
    """Anybody on the machine may run one."""
    program = tmp_path / os.fsdecode(b"caf\xe9")
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", "input()", b"\xff"], stdin=subprocess.PIPE) as process:
        try:
            assert os.fsdecode(b"\xff") in descendants()[process.pid]
            assert int(started_at(process.pid)) > 0
        finally:
            process.kill()
