"""README says what results/ says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_readme_is_what_the_results_make_of_it() -> None:
    named = re.findall(r"^RESULTS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    directories = [f"results/{name}" for name in (*named[0].split(), "micro")]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "readme", *directories, "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
