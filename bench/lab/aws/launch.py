"""Start the AWS stand-in as a process of its own."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.lab.aws.function import FunctionConfig
from bench.lab.process import Child

START_TIMEOUT_S = 300.0  # dozens of environments on two cores


class AwsUnavailable(Exception):
    """The stand-in did not start; the message says which function or port, and why."""


@dataclass(frozen=True, slots=True)
class RunningAws:
    """Where it listens, and how it freezes."""

    url: str
    freeze: str
    pid: int


@contextlib.contextmanager
def running_aws(
    functions: Sequence[FunctionConfig], *, work_dir: Path, port: int = 0
) -> Iterator[RunningAws]:
    """Lambda with these functions, S3, Secrets Manager and Step Functions, for as long as the block runs.

    Every provisioned environment is initialised and frozen when the block begins.

    Raises:
        AwsUnavailable: a function's init failed, or the port is taken.

    """
    folder = work_dir / "aws"
    folder.mkdir(mode=0o700)
    config = folder / "config.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({"functions": [f.as_dict() for f in functions], "port": port}))
    child = Child(
        [sys.executable, "-m", "bench.lab.aws", str(config)],
        log=folder / "service.log",
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        announces=True,
        timeout_s=START_TIMEOUT_S,
    )
    try:
        if "error" in child.announcement:
            raise AwsUnavailable(child.announcement["error"])
        yield RunningAws(child.announcement["url"], child.announcement["freeze"], child.pid)
    finally:
        child.stop()
