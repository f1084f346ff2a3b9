"""A function whose import fails until a file is there."""

import os
from pathlib import Path
from typing import Any

FLAG = Path(os.environ["FLAG"])
if not FLAG.exists():
    FLAG.touch()
    raise RuntimeError("the first init fails")


def handler(event: Any, context: Any) -> str:
    return "up"
