"""Which server the lab uses: the one that is named, else the first that the machine has or can get."""

import contextlib
import difflib
import functools
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from poolbench.lab.mysql.binary import Binary
from poolbench.lab.mysql.docker import DOCKER, Container, engine_runs
from poolbench.lab.mysql.given import Given
from poolbench.lab.mysql.instance import Instance
from poolbench.lab.mysql.prefix import APT, MYSQL, fetched_server, installed_mysql
from poolbench.lab.mysql.server import BadServer, NotThere, RunningServer, ServerOptions, ServerUnavailable

WAYS_OUT = (
    "name one by URL (mysql://user:password@host:3306), start a Docker engine, install mysql-server or "
    "mariadb-server, or use a Debian-like machine that reaches its package archive"
)
_BINARIES: dict[str, Callable[[], Binary]] = {
    "mysqld": functools.partial(Binary.installed, "mysqld"),
    "mariadbd": functools.partial(Binary.installed, "mariadbd"),
    APT: fetched_server,
    MYSQL: installed_mysql,
}
CHOICES = (DOCKER, *_BINARIES)
TRIED = (DOCKER, "mysqld", "mariadbd", APT)  # where nobody chooses, in this order

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def running_server(
    choice: str | None = None, *, work_dir: Path, options: ServerOptions | None = None
) -> Iterator[RunningServer]:
    """Run a server for as long as the block runs.

    Args:
        choice: a URL, or one of CHOICES; None for the first of TRIED that works.
        work_dir: where a private instance keeps its data meanwhile.
        options: limits of a server of our own.

    Raises:
        BadServer: the choice is none.
        ServerUnavailable: none works; the message says why each does not, and names the ways out.

    """
    with contextlib.ExitStack() as stack:
        yield _start(stack, choice, work_dir, options or ServerOptions())


def _start(
    stack: contextlib.ExitStack, choice: str | None, work_dir: Path, options: ServerOptions
) -> RunningServer:
    if choice and "://" in choice:
        return Given(choice)
    if choice is not None and choice not in CHOICES:
        near = difflib.get_close_matches(choice, CHOICES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        shown = "..." if "@" in choice else choice  # a URL that is not quite one may hold a password
        raise BadServer(f"server {shown!r} is neither a URL nor one of {', '.join(CHOICES)}{hint}")
    reasons = []
    for name in [choice] if choice else TRIED:
        try:
            return _start_one(stack, name, work_dir, options)
        except ServerUnavailable as error:
            reasons.append(f"  {name}: {error}")
            if not isinstance(error, NotThere):
                logger.warning("%s is here but does not serve: %s", name, error)
    raise ServerUnavailable("\n".join(["no database server:", *reasons, f"Ways out: {WAYS_OUT}"]))


def _start_one(
    stack: contextlib.ExitStack, name: str, work_dir: Path, options: ServerOptions
) -> RunningServer:
    if name == DOCKER and not engine_runs():
        raise NotThere("no Docker engine answers")
    binary = None if name == DOCKER else _BINARIES[name]()
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="mysql-", dir=work_dir, ignore_cleanup_errors=True)
            )
        )
        running = Instance(binary, folder, options) if binary else Container(folder, options)
    except shutil.Error as error:  # of many files, with a sentence for each
        (_, _, said), *_ = error.args[0]
        raise ServerUnavailable(f"cannot write {work_dir}: {said}") from error
    except OSError as error:
        raise ServerUnavailable(f"cannot write {work_dir}: {error}") from error
    stack.callback(running.close)
    return running
