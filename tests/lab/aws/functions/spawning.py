"""A function that hangs with a child at its side."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def hang(event: dict[str, str], context: Any) -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    Path(event["file"]).write_text(str(child.pid))
    time.sleep(600)
