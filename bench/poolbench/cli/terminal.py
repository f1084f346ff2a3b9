"""Where the verbs print."""

from rich.console import Console

NARROWEST = 60  # columns; in fewer, tables lose what they hold, and some environments say that there are none


def console() -> Console:
    """As wide as the terminal, which wraps what is wider than it."""
    fitting = Console()
    return fitting if fitting.width >= NARROWEST else Console(width=NARROWEST)
