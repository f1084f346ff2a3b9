"""HAProxy in TCP mode: what the least that a proxy can do costs."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from bench.lab.cache import cache_directory
from bench.lab.mysql.binary import SERVER_FOLDERS
from bench.lab.ports import LOOPBACK, answers, free_port
from bench.lab.process import Child

_CONFIGURATION = """\
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen mysql
  bind {listen}
  server mysql {server}
"""
START_S = 10.0


class NoHaproxy(Exception):
    """It is not installed; the message says how to get it without touching the system."""


@contextmanager
def running_haproxy(server: URL, work_dir: Path) -> Iterator[URL]:
    """Run HAProxy before `server`; the same URL by way of it.

    Raises:
        NoHaproxy: neither the system nor the cache directory has it.
        ChildFailed: it did not start.

    """
    program, environment = _find()
    port = free_port()
    configuration = work_dir / "haproxy.cfg"
    configuration.write_text(
        _CONFIGURATION.format(listen=f"{LOOPBACK}:{port}", server=f"{server.host}:{server.port}")
    )
    child = Child([program, "-db", "-f", configuration], log=work_dir / "haproxy.log", env=environment)
    try:
        child.wait_until(lambda: answers(LOOPBACK, port), START_S)
        yield server.set(host=LOOPBACK, port=port)
    finally:
        child.stop()


def _find() -> tuple[str, dict[str, str]]:
    """The program, and the variables that it runs with."""
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *SERVER_FOLDERS])
    if program := shutil.which("haproxy", path=folders):
        return program, {}
    prefix = cache_directory() / "haproxy"
    if program := shutil.which("haproxy", path=prefix / "usr/sbin"):
        libraries = os.pathsep.join(map(str, sorted((prefix / "usr/lib").glob("*-linux-gnu*"))))
        return program, {"LD_LIBRARY_PATH": libraries}
    raise NoHaproxy(
        f"HAProxy is not installed; `python -m bench.lab.debs fetch haproxy --into {prefix}` gets it "
        "and leaves the system as it is"
    )
