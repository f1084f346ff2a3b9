"""Which server the lab uses: the one that is named, else the first that the machine has or can get."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pymysql

from bench.lab import debs
from bench.lab.mysql.binary import Binary
from bench.lab.mysql.docker import Container, engine_runs
from bench.lab.mysql.instance import Instance
from bench.lab.mysql.server import RunningServer, Server, ServerOptions, ServerUnavailable, flavour_of

WAYS_OUT = (
    "give the URL of one (--server mysql://user:password@host:3306), start a Docker engine, install "
    "mysql-server or mariadb-server, or use a Debian-like machine whose archive can be reached"
)
SBIN = "/usr/sbin:/usr/local/sbin:/usr/libexec"  # where servers lie, and often not on a user's PATH


@contextlib.contextmanager
def running_server(
    choice: str | None, *, work_dir: Path, options: ServerOptions | None = None
) -> Iterator[RunningServer]:
    """A server for as long as the block runs.

    Args:
        choice: a URL, or docker, mysqld, mariadbd or apt; None tries these in that order.
        work_dir: where a private instance keeps its data meanwhile.
        options: limits of a private server.

    Raises:
        ServerUnavailable: there is none, or the one chosen does not work; the message names the ways out.

    """
    options = options or ServerOptions()
    if choice and "://" in choice:
        yield Given(choice)
        return
    if choice is not None and choice not in _SOURCES:
        raise ServerUnavailable(f"server {choice!r}: say a mysql:// URL, or one of {', '.join(_SOURCES)}")
    started = _start(choice, work_dir / "mysql", options)
    try:
        yield started
    finally:
        started.close()


class Given:
    """Somebody else's server, by URL; the user must be allowed to create users and a schema."""

    def __init__(self, url: str) -> None:
        """Look who is there.

        Raises:
            ServerUnavailable: nobody answers, or the credentials are wrong.

        """
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 3306
        if not parts.scheme.startswith("mysql") or not host or not parts.username:
            raise ServerUnavailable("the server's URL is not mysql://user:password@host:port")
        server = Server(
            host=host,
            port=port,
            user=unquote(parts.username),
            password=unquote(parts.password or ""),
            flavour="",
            version="",
            source="url",
        )
        try:
            ((version,),) = server.execute("SELECT VERSION()")
        except pymysql.Error as error:
            raise ServerUnavailable(f"the server at {host}:{port} does not answer: {error}") from error
        self.server = Server(
            host=host,
            port=port,
            user=server.user,
            password=server.password,
            flavour=flavour_of(version),
            version=version,
            source="url",
        )

    def restart(self) -> None:
        """Refuse: it is not ours.

        Raises:
            ServerUnavailable: always.

        """
        raise ServerUnavailable("a server given by URL is not restarted; leave it out, or choose another")

    kill = restart


Started = Instance | Container


def _start(choice: str | None, folder: Path, options: ServerOptions) -> Started:
    tried = []
    for name in [choice] if choice else list(_SOURCES):
        try:
            return _SOURCES[name](folder, options)
        except ServerUnavailable as error:
            tried.append(f"{name}: {error}")
    raise ServerUnavailable("no database server: " + "; ".join(tried) + f". Ways out: {WAYS_OUT}")


def _docker(_folder: Path, options: ServerOptions) -> Started:
    if not engine_runs():
        raise ServerUnavailable("no Docker engine answers")
    return Container(options)


def _installed(name: str) -> Callable[[Path, ServerOptions], Started]:
    def start(folder: Path, options: ServerOptions) -> Started:
        program = shutil.which(name) or shutil.which(name, path=SBIN)
        if program is None:
            raise ServerUnavailable("not installed")
        return Instance(Binary.probe((program,), name), folder, options)

    return start


def _apt(folder: Path, options: ServerOptions) -> Started:
    return Instance(fetched(), folder, options)


def fetched() -> Binary:
    """The server of the machine's own release, fetched into a private prefix on first use.

    Raises:
        ServerUnavailable: it cannot be fetched.

    """
    prefix = debs.cache_directory() / "server"
    try:
        if not prefix.is_dir():
            debs.fetch(debs.first_known(_PACKAGES), prefix)
    except debs.FetchFailed as error:
        raise ServerUnavailable(str(error)) from error
    for name in ("mysqld", "mariadbd"):
        program = prefix / "usr" / "sbin" / name
        if program.exists():
            return Binary.probe((str(program),), "apt", prefix)
    raise ServerUnavailable(f"{prefix} holds no server: remove it, and it is fetched again")


# Ubuntu's archive has MySQL, Debian's has MariaDB; the first that exists is taken.
_PACKAGES = (
    ("mysql-server-core-8.4",),
    ("mysql-server-core-8.0",),
    ("mariadb-server-core", "mariadb-client-core"),
)
_SOURCES: Mapping[str, Callable[[Path, ServerOptions], Started]] = {
    "docker": _docker,
    "mysqld": _installed("mysqld"),
    "mariadbd": _installed("mariadbd"),
    "apt": _apt,
}
