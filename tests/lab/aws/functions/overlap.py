"""A function whose import says when it begins and when it ends, and computes in between."""

import os
import time
from pathlib import Path
from typing import Any


def note(what: str) -> None:
    with Path(os.environ["TRACE"]).open("a") as trace:
        trace.write(f"{what}\n")


note("begin")
DONE = time.process_time() + 0.05
while time.process_time() < DONE:
    pass
note("end")


def handler(event: Any, context: Any) -> None:
    """Nothing."""
