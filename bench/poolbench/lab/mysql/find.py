"""Which server the lab uses: user-supplied, in a container, installed, or fetched into a private prefix."""

import contextlib
import difflib
import functools
import logging
import platform
import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql

from poolbench.lab import debs
from poolbench.lab.cache import cache_directory
from poolbench.lab.mysql.binary import Binary
from poolbench.lab.mysql.docker import DOCKER, Container, engine_runs
from poolbench.lab.mysql.instance import Instance
from poolbench.lab.mysql.server import (
    URL,
    BadServer,
    NotThere,
    RunningServer,
    Server,
    ServerOptions,
    ServerUnavailable,
)

APT = "apt"
MYSQL = "mysql-prefix"

# Ubuntu's archive has MySQL, Debian's has MariaDB.
_PACKAGES = (["mysql-server-core*"], ["mariadb-server-core", "mariadb-client-core"])
_UNSTABLE = debs.Suite(
    name="sid",
    keyring=Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    assumed=["perl"],  # 100 MB, for scripts that are not used here
)
_SUPERFLUOUS = ["usr/bin", *(f"usr/share/{name}" for name in ("doc", "man", "locale", "perl", "zoneinfo"))]


def fetched_server() -> Binary:
    """Server of the machine's own release, fetched on first use.

    Raises:
        ServerUnavailable: it cannot be had.

    """
    # What the system had was not fetched, so another release has to fetch anew.
    prefix = cache_directory() / APT / f"{debs.release()}-{platform.machine()}"
    try:
        debs.fetch(*_PACKAGES, into=prefix)
    except debs.FetchFailed as error:
        raise ServerUnavailable(str(error)) from error
    try:
        return Binary.fetched(prefix, APT)
    except ServerUnavailable as error:
        raise ServerUnavailable(f"{error}; remove {prefix}, and it is fetched again") from error


def installed_mysql() -> Binary:
    """Return what `install_mysql` made.

    Raises:
        NotThere: nothing yet.

    """
    if not _mysql_prefix().is_dir():
        raise NotThere("not fetched yet: `poolbench lab install-mysql` fetches it")
    return Binary.fetched(_mysql_prefix(), MYSQL, own_loader=True)


def install_mysql() -> Binary:
    """Fetch real MySQL from Debian's unstable suite; it runs with libraries of its own on any Debian.

    Only that suite has it, in one version at a time.

    Raises:
        ServerUnavailable: it cannot be had here, in one line.

    """
    try:
        debs.fetch(["mysql-server-core"], into=_mysql_prefix(), suite=_UNSTABLE, without=_SUPERFLUOUS)
    except debs.FetchFailed as error:
        reason = str(error).replace("\n", " ")
        raise ServerUnavailable(
            f"MySQL cannot be fetched from Debian's {_UNSTABLE.name}: {reason}"
        ) from error
    return installed_mysql()


def _mysql_prefix() -> Path:
    return cache_directory() / MYSQL / platform.machine()


_DEFAULT_PORT = 3306
# Of a URL's query, as SQLAlchemy has them: a PEM file that the server's certificate is checked by, and
# whether that must name the URL's host, which it cannot where the way is a tunnel (`ssh -L`).
AUTHORITY, CHECK_HOSTNAME = "ssl_ca", "ssl_check_hostname"
_CHOICES = {"true": True, "1": True, "false": False, "0": False}


class UserSuppliedServer:
    """A user-supplied server: used, never stopped."""

    pid = None

    def __init__(self, url: str) -> None:
        """Connect once; the user must be allowed to create users and a schema.

        Raises:
            BadServer: the URL is not one.
            ServerUnavailable: the server does not answer, or the credentials are wrong.

        """
        self.server = _ask(url)

    def restart(self) -> None:
        """Refuse.

        Raises:
            ServerUnavailable: always.

        """
        raise ServerUnavailable(
            "a server named by URL is not ours to stop; name no URL, and the lab runs one"
        )

    kill = restart


def _ask(url: str) -> Server:
    # The message shows no part of the URL: if the password is not escaped, part of it is parsed as the port.
    wrong = BadServer(
        "the server's URL is not mysql://user:password@host:port; in user and password, characters such as "
        "@ : / are written %40 %3A %2F"
    )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _DEFAULT_PORT
    except ValueError as error:
        raise wrong from error
    if parts.scheme.partition("+")[0] not in ("mysql", "mariadb") or not host or not parts.username:
        raise wrong
    user, password = unquote(parts.username), unquote(parts.password or "")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    authority = query.get(AUTHORITY)
    tls_ca = Path(authority).absolute() if authority else None
    check_hostname = _CHOICES.get(query.get(CHECK_HOSTNAME, "true").lower())
    if check_hostname is None:
        raise BadServer(f"{CHECK_HOSTNAME} of the server's URL is neither true nor false")
    try:
        return Server(
            host=host,
            port=port,
            user=user,
            password=password,
            source=URL,
            tls_ca=tls_ca,
            check_hostname=check_hostname,
        ).asked()
    except pymysql.Error as error:
        reason = getattr(error, "original_exception", None)  # of the socket, or of TLS on it
        if isinstance(reason, OSError) and not isinstance(reason, ssl.SSLError):
            raise ServerUnavailable(f"nothing answers at {host}:{port}: {error.args[1]}") from error
        way_out = "" if tls_ca else f"; if it wants TLS, end its URL in ?{AUTHORITY}=FILE"
        if "mismatch" in str(error):  # of name or address, in OpenSSL's words
            way_out = f"; if this is a tunnel to it, end its URL in &{CHECK_HOSTNAME}=false"
        raise ServerUnavailable(
            f"the server at {host}:{port} does not let {user} in: {error}{way_out}"
        ) from error
    except OSError as error:
        raise ServerUnavailable(f"{AUTHORITY}={tls_ca}: no authority's certificate: {error}") from error


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
TRIED = (DOCKER, "mysqld", "mariadbd", APT)  # in this order, if no server was chosen

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
        BadServer: the choice is unknown.
        ServerUnavailable: none works; the message says why each does not, and names the ways out.

    """
    with contextlib.ExitStack() as stack:
        yield _start(stack, choice, work_dir, options or ServerOptions())


def _start(
    stack: contextlib.ExitStack, choice: str | None, work_dir: Path, options: ServerOptions
) -> RunningServer:
    if choice and "://" in choice:
        return UserSuppliedServer(choice)
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
        (_, _, reason), *_ = error.args[0]
        raise ServerUnavailable(f"cannot write {work_dir}: {reason}") from error
    except OSError as error:
        raise ServerUnavailable(f"cannot write {work_dir}: {error}") from error
    stack.callback(running.close)
    return running
