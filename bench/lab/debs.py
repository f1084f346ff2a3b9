"""Debian packages into a private directory: root or not, with the system untouched.

Standard library only, and importable by a bare python3: the Makefile fetches pip with it where there is none.
"""

import argparse
import contextlib
import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


class FetchFailed(Exception):
    """Packages cannot be had; the message ends with apt's own words."""


def cache_directory() -> Path:
    """Return where this user's fetched software and prepared data lie."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "poolbench"


def is_available() -> bool:
    """Whether this machine has apt and dpkg."""
    return all(shutil.which(tool) for tool in ("apt-get", "apt-cache", "dpkg"))


def fetch(packages: Sequence[str], into: Path) -> Path:
    """Download packages with what they need that the system lacks, and unpack them below `into`.

    The machine's own sources and signatures are used, with lists and cache in a directory of their own. The
    result appears whole or not at all; when it is there already, nothing happens.

    Raises:
        FetchFailed: no apt here, no such package, or no archive to be reached.

    """
    if into.is_dir():
        return into
    if not is_available():
        raise FetchFailed("no apt-get, apt-cache and dpkg on this machine")
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=into.parent) as folder:
        apt = Apt(Path(folder) / "apt")
        apt.update()
        apt.unpack(packages, Path(folder) / "root")
        # OSError: somebody else was quicker, and theirs is as good as ours.
        with contextlib.suppress(OSError):
            (Path(folder) / "root").rename(into)
    return into


def first_known(alternatives: Sequence[Sequence[str]]) -> Sequence[str]:
    """First of several sets of packages that the machine's archive has.

    Raises:
        FetchFailed: it has none of them, or cannot be reached.

    """
    if not is_available():
        raise FetchFailed("no apt-get, apt-cache and dpkg on this machine")
    with tempfile.TemporaryDirectory(prefix="poolbench-apt-") as folder:
        apt = Apt(Path(folder))
        apt.update()
        for packages in alternatives:
            if all(apt.has(package) for package in packages):
                return packages
    raise FetchFailed(f"the archive has none of {[' '.join(packages) for packages in alternatives]}")


class Apt:
    """apt with state of its own in `folder`."""

    def __init__(self, folder: Path) -> None:
        for part in ("lists/partial", "cache/archives/partial", "log"):
            (folder / part).mkdir(parents=True)
        self._archives = folder / "cache" / "archives"
        self._options = [
            *("-o", f"Dir::State::lists={folder / 'lists'}"),
            *("-o", f"Dir::Cache={folder / 'cache'}"),
            *("-o", f"Dir::Log={folder / 'log'}"),
            *("-o", "Debug::NoLocking=1"),
            *("-o", f"APT::Sandbox::User={getpass.getuser()}"),
            *("-o", "APT::Install-Recommends=false"),
            *("-o", "Acquire::Languages=none"),
        ]

    def update(self) -> None:
        """Get the archive's lists.

        Raises:
            FetchFailed: it cannot be reached.

        """
        # Without it, apt calls an archive that it cannot reach a warning, and exits with 0.
        self._run("apt-get", "-o", "APT::Update::Error-Mode=any", "-q", "update")

    def has(self, package: str) -> bool:
        """Whether the archive offers this package."""
        policy = self._run("apt-cache", "policy", package)
        return bool(policy) and "Candidate: (none)" not in policy

    def unpack(self, packages: Sequence[str], root: Path) -> None:
        """Download and unpack.

        Raises:
            FetchFailed: see the message.

        """
        self._run("apt-get", "-q", "install", "-y", "--download-only", "--reinstall", *packages)
        root.mkdir()
        for archive in sorted(self._archives.glob("*.deb")):
            self._run("dpkg", "-x", str(archive), str(root))

    def _run(self, tool: str, *arguments: str) -> str:
        options = self._options if tool.startswith("apt") else []
        command = [tool, *options, *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
        )
        if done.returncode:
            last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
            raise FetchFailed(f"{tool} {' '.join(arguments)} failed:\n{last}")
        return done.stdout


def main() -> None:
    """Fetch packages from the command line."""
    parser = argparse.ArgumentParser(prog="python3 -m bench.lab.debs", description=main.__doc__)
    parser.add_argument("verb", choices=["fetch"])
    parser.add_argument("packages", nargs="+", metavar="PACKAGE")
    parser.add_argument("--into", type=Path, required=True, help="directory to unpack into")
    arguments = parser.parse_args()
    try:
        fetch(arguments.packages, arguments.into.absolute())
    except FetchFailed as error:
        sys.exit(f"poolbench: {error}")


if __name__ == "__main__":
    main()
