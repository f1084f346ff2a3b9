"""Lambda's entry point. Importing it starts the application: that is Lambda's init phase."""

import os
from typing import Any

from poolbench.function.application import Application
from poolbench.function.probe import count_commands

count_commands()
application = Application.start(os.environ)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take an invocation; see `Application.handle`."""
    return application.handle(event)
