"""A function whose import takes its time."""

import os
import time
from typing import Any

time.sleep(float(os.environ["IMPORT_S"]))


def handler(event: Any, context: Any) -> str:
    return "up"
