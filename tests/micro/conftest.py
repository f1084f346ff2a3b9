"""The suite as its users run it: a process of its own, against the shared server."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

import poolbench
from poolbench.lab.mysql import RunningServer, create_users

ROOT = Path(poolbench.__file__).parents[2]
USER, PASSWORD, SCHEMA = "micro", "s3cret-of-micro", "micro"

RunSuite = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def database_url(server: RunningServer) -> URL:
    create_users(server.server, SCHEMA, {USER: PASSWORD}, observers={USER})
    return URL.create("mysql", USER, PASSWORD, server.server.host, server.server.port, SCHEMA)


def run_suite(
    *arguments: str | Path, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `pytest bench/micro ARGUMENTS`, knowing of no server but what is given."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("POOLBENCH_", "PYTEST_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "bench/micro", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env=clean | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def text_of(url: URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def whole_run(database_url: URL, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Every benchmark, one round of each: its JSON file and what it printed."""
    file = tmp_path_factory.mktemp("micro") / "benchmark.json"
    done = run_suite("--mysql-url", text_of(database_url), "--rounds", "1", "--benchmark-json", file)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return file, done.stdout


@pytest.fixture(scope="session")
def benchmarks(whole_run: tuple[Path, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Benchmarks of the whole run, by group and parameter."""
    content = json.loads(whole_run[0].read_text())
    return {(one["group"], one["param"]): one for one in content["benchmarks"]}
