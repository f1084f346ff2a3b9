"""Servers fetched into private prefixes: the release's own, and real MySQL from Debian's unstable suite."""

import platform
from pathlib import Path

from poolbench.lab import debs
from poolbench.lab.cache import cache_directory
from poolbench.lab.mysql.binary import Binary
from poolbench.lab.mysql.server import NotThere, ServerUnavailable

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
