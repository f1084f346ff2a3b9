"""Debian packages into a private directory: root or not, with the system untouched.

Standard library only, and importable by a bare python3: the Makefile fetches pip with it if pip is missing.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poolbench.lab.cache import build_once
from poolbench.lab.platform import parent_death_hook
from poolbench.lab.process import last_lines

# Hooks of the machine's configuration run as part of `update`: some empty the system's package cache.
_CONFIGURATION = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State::lists "{folder}/lists";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}/log";
Debug::NoLocking "true";
APT::Sandbox::User "root"; # means: keep the user that runs it, who may not become another
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
"""
_OTHER_SUITE = """\
Dir::State::status "{folder}/status";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""
_ASSUMED = """\
Package: {name}
Status: install ok installed
Maintainer: nobody <nobody@localhost>
Architecture: {architecture}
Multi-Arch: allowed
Version: 99:99
Description: assumed to be there

"""


class FetchFailed(Exception):
    """Packages cannot be fetched; the message ends with apt's output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Another suite of the archive that the machine's own sources name, as if nothing were installed yet.

    What comes from it brings all its libraries, libc and its loader included.
    """

    name: str
    keyring: Path  # that the suite's release is signed with
    assumed: Sequence[str] = ()  # packages to leave out although others depend on them


def release() -> str:
    """Id of the distribution's release, such as debian-12, which libraries that are fetched belong to."""
    try:
        found = platform.freedesktop_os_release()
    except OSError:
        return "unknown"
    return f"{found['ID']}-{found.get('VERSION_ID', 'rolling')}"


def fetch(
    *choices: Sequence[str], into: Path, suite: Suite | None = None, without: Sequence[str] = ()
) -> Path:
    """Download packages with all that they need, and unpack them below `into`.

    From the machine's own sources, what the system has already is not fetched again, except the packages
    named. When `into` is there already, nothing happens.

    Args:
        choices: sets of packages, of which the first is taken that the archive has whole. A name that ends
            in `*` stands for the last name that begins so.
        into: made whole or not at all.
        suite: take them from there, not from the machine's own release.
        without: directories, relative to `into`, to leave out.

    Raises:
        FetchFailed: no apt here, no such package, no archive to be reached, or `into` cannot be written.

    """

    def build(partial: Path) -> None:
        apt = Apt(partial / "apt", suite)
        apt.update()
        apt.unpack(apt.first_known(choices), partial)
        for folder in ("apt", *without):
            shutil.rmtree(partial / folder, ignore_errors=True)

    if not into.is_dir() and not all(shutil.which(tool) for tool in ("apt-get", "apt-cache", "dpkg-deb")):
        raise FetchFailed("this machine has no apt-get, apt-cache and dpkg-deb")
    try:
        return build_once(into, build)
    except OSError as error:
        raise FetchFailed(f"cannot write {into}: {error}; XDG_CACHE_HOME may name another place") from error


class Apt:
    """apt with state of its own in `folder`."""

    def __init__(self, folder: Path, suite: Suite | None = None) -> None:
        """Lay out the state.

        Raises:
            FetchFailed: the keyring of `suite` is missing.

        """
        for part in ("lists/partial", "cache/archives/partial", "log"):
            (folder / part).mkdir(parents=True)
        self._folder = folder
        self._configuration = folder / "apt.conf"
        self._configuration.write_text(_CONFIGURATION.format(folder=folder))
        self._unreached = ""  # errors of `update` for sources that it could not reach
        if suite is not None:
            self._turn_to(suite)

    def update(self) -> None:
        """Get the lists of all sources that can be reached; those that cannot may not be needed."""
        self._unreached = self._apt("apt-get", "-q", "update", check=False).stderr.strip()

    def first_known(self, choices: Sequence[Sequence[str]]) -> list[str]:
        """Return the first set of packages that the archive has whole, with its patterns resolved.

        Raises:
            FetchFailed: it has none.

        """
        for choice in choices:
            names = [self._resolve(name) for name in choice]
            if all(names):
                return names
        wanted = ", nor ".join(" ".join(choice) for choice in choices)
        raise FetchFailed(f"the archive has no {wanted}\n{last_lines(self._unreached)}".strip())

    def unpack(self, packages: Sequence[str], root: Path) -> None:
        """Download and unpack.

        Raises:
            FetchFailed: see the message.

        """
        self._apt("apt-get", "-q", "install", "-y", "--download-only", "--reinstall", *packages)
        archives = sorted((self._folder / "cache" / "archives").glob("*.deb"))
        if not archives:
            why = "installed in a version that the archive lacks, or the archive is on file: URIs"
            raise FetchFailed(f"apt downloads nothing for {' '.join(packages)}: {why}")
        for archive in archives:
            _run("dpkg-deb", "--extract", str(archive), str(root))

    def _resolve(self, name: str) -> str:
        """Return the name of a package that can be installed; empty if the archive lacks it."""
        names = [name]
        if name.endswith("*"):
            names = sorted(self._apt("apt-cache", "pkgnames", name.removesuffix("*")).stdout.split())
        known = [name for name in names if self._has(name)]
        return known[-1] if known else ""

    def _has(self, package: str) -> bool:
        policy = self._apt("apt-cache", "policy", package).stdout
        return bool(policy) and "Candidate: (none)" not in policy

    def _turn_to(self, suite: Suite) -> None:
        if not suite.keyring.exists():
            raise FetchFailed(f"no {suite.keyring} to check {suite.name} with")
        # apt reads the machine's sources itself, in whatever format they are. Which of them is the archive of
        # the distribution needs no guess: the others have no such suite, or not this signature.
        targets = self._apt("apt-get", "--print-uris", "update").stdout.splitlines()
        archives = sorted({line.strip("'").partition("/dists/")[0] for line in targets if "/dists/" in line})
        (self._folder / "sources.list").write_text(
            "".join(f"deb [signed-by={suite.keyring}] {uri} {suite.name} main\n" for uri in archives)
        )
        architecture = _run("dpkg", "--print-architecture").stdout.strip()
        (self._folder / "status").write_text(
            "".join(_ASSUMED.format(name=name, architecture=architecture) for name in suite.assumed)
        )
        with self._configuration.open("a") as configuration:
            configuration.write(_OTHER_SUITE.format(folder=self._folder))

    def _apt(self, tool: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return _run(tool, "-c", str(self._configuration), *arguments, check=check)


def _run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        preexec_fn=parent_death_hook(),
    )
    if check and done.returncode:
        raise FetchFailed(f"{command[0]} failed:\n{last_lines(done.stdout + done.stderr)}")
    return done


def main() -> None:
    """Fetch packages from the command line."""
    parser = argparse.ArgumentParser(prog="python3 -m poolbench.lab.debs", description=main.__doc__)
    parser.add_argument("verb", choices=["fetch"])
    parser.add_argument("packages", nargs="+", metavar="PACKAGE")
    parser.add_argument("--into", type=Path, required=True, help="directory to unpack into")
    arguments = parser.parse_args()
    try:
        fetch(arguments.packages, into=arguments.into.absolute())
    except FetchFailed as error:
        sys.exit(f"poolbench: {error}")


if __name__ == "__main__":
    main()
