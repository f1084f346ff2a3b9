"""HAProxy in TCP mode: what a relay costs that looks at nothing."""

import contextlib
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from poolbench.lab import debs
from poolbench.lab.cache import cache_directory
from poolbench.lab.platform import LOOPBACK, answers, free_port
from poolbench.lab.process import Child

_CONFIGURATION = """\
global
    maxconn 4000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen relay
    bind {host}:{port}
    server database {target_host}:{target_port}
"""


@contextlib.contextmanager
def running_haproxy(host: str, port: int, work_dir: Path) -> Iterator[int]:
    """Relay to `host` and `port`; gives the port for clients. Where none is installed, Debian's is fetched.

    Raises:
        FetchFailed: it is not installed, and cannot be fetched.
        ChildFailed: it did not start.

    """
    program, environment = shutil.which("haproxy"), dict(os.environ)
    if program is None:
        name = f"haproxy-{debs.release()}-{platform.machine()}"
        prefix = debs.fetch(["haproxy"], into=cache_directory() / name)
        program = str(prefix / "usr" / "sbin" / "haproxy")
        libraries = (prefix / "usr" / "lib").glob("*-linux-gnu")
        environment["LD_LIBRARY_PATH"] = ":".join(map(str, libraries))
    own = free_port()
    file = work_dir / "haproxy.cfg"
    file.write_text(_CONFIGURATION.format(host=LOOPBACK, port=own, target_host=host, target_port=port))
    child = Child([program, "-f", file], log=work_dir / "haproxy.log", env=environment)
    try:
        child.wait_until(lambda: answers(LOOPBACK, own), timeout_s=10)
        yield own
    finally:
        child.kill()
