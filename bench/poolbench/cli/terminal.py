"""What a person sees in a terminal: a console, a progress bar with an ETA; a line now and then in a pipe."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from poolbench.campaign.engine import Progress as Done

NARROWEST = 60  # columns; in fewer, tables lose what they hold, and some environments say that there are none


def console() -> Console:
    """As wide as the terminal, which wraps what is wider than it."""
    fitting = Console()
    return fitting if fitting.width >= NARROWEST else Console(width=NARROWEST)


LINE_EVERY_S = 15.0


@contextlib.contextmanager
def shown(console: Console) -> Iterator[Callable[[Done], None]]:
    """Yield what the runner reports to."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("measuring"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("invocations, {task.fields[failed]} requests failed, {task.fields[left]} left"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None, failed=0, left="?")

        def show(done: Done) -> None:
            progress.update(
                task, completed=done.done, total=done.total, failed=done.failed, left=duration(done.left_s)
            )

        yield show


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console, self._next = console, time.monotonic()

    def __call__(self, done: Done) -> None:
        if time.monotonic() >= self._next or done.done == done.total:
            self._next = time.monotonic() + LINE_EVERY_S
            self._console.print(
                f"{done.done}/{done.total} invocations, {done.failed} requests failed, "
                f"{duration(done.left_s)} left"
            )


def duration(seconds: float) -> str:
    """Seconds as people say them: `48 s`, `12 min 30 s`, `3 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
