"""Python libraries beside the environment's own: the other SQLAlchemy, and a driver that is compiled here.

Each has a directory in the cache, for the functions' PYTHONPATH, and is pinned by hash in `locks/`.
"""

import os
import sys
from importlib import resources
from pathlib import Path

from poolbench.lab import debs
from poolbench.lab.cache import build_once, cache_directory
from poolbench.lab.process import last_lines, run

SQLALCHEMY = ("2.0", "2.1")  # 2.1 is the one that the project's own lock has
MYSQLCLIENT = "mysqlclient"


class LibraryUnavailable(Exception):
    """A library cannot be installed; the message ends with pip's or apt's output."""


def sqlalchemy(version: str) -> Path:
    """Directory with the last release of a SQLAlchemy series that is not the environment's own.

    Raises:
        LibraryUnavailable: for example, no package index can be reached.

    """
    return _installed(f"sqlalchemy-{version}", dict(os.environ), "--only-binary", ":all:")


def mysqlclient() -> Path | None:
    """Directory of what `install_mysqlclient` made; None: nothing yet."""
    made = _directory(MYSQLCLIENT)
    return made if made.is_dir() else None


def mysqlclient_plugins() -> Path | None:
    """Where the client library's authentication plugins are, if it was fetched; for MARIADB_PLUGIN_DIR."""
    return next(_client_library().glob("usr/lib/*/libmariadb3/plugin"), None)


def install_mysqlclient() -> Path:
    """Compile mysqlclient, with MariaDB's client library: the system's, or else a private copy from apt.

    Raises:
        LibraryUnavailable: the compiler or the client library is missing.

    """
    if made := mysqlclient():
        return made
    environment = dict(os.environ)
    if run(["pkg-config", "--exists", "libmariadb"], environment).returncode:
        try:
            prefix = debs.fetch(["libmariadb-dev", "libmariadb3"], into=_client_library())
        except debs.FetchFailed as error:
            raise LibraryUnavailable(f"mysqlclient needs libmariadb-dev: {error}") from error
        library = next(prefix.glob("usr/lib/*/libmariadb.so.3")).parent
        environment |= {
            "MYSQLCLIENT_CFLAGS": f"-I{prefix / 'usr/include/mariadb'}",
            "MYSQLCLIENT_LDFLAGS": f"-L{library} -lmariadb -Wl,-rpath,{library}",
        }
    # No wheel from pip's cache: it may have been linked with another library.
    return _installed(MYSQLCLIENT, environment, "--no-binary", ":all:", "--no-cache-dir")


def _installed(name: str, environment: dict[str, str], *options: str) -> Path:
    lock = resources.files("poolbench.lab") / "locks" / f"{name}.lock"

    def build(partial: Path) -> None:
        with resources.as_file(lock) as requirements:
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
            target = ["--no-deps", "--require-hashes", "--target", str(partial), "-r", str(requirements)]
            done = run([*pip, *options, *target], environment)
        if done.returncode:
            raise LibraryUnavailable(f"{name} cannot be installed:\n{last_lines(done.stdout)}")

    return build_once(_directory(name), build)


def _directory(name: str) -> Path:
    return cache_directory() / "libraries" / f"python{sys.version_info.major}.{sys.version_info.minor}" / name


def _client_library() -> Path:
    return cache_directory() / "libmariadb"
