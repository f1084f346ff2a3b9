"""A server program on disk: how it is called, its settings, and data directories to run it on."""

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from poolbench.lab.cache import build_once, cache_directory
from poolbench.lab.certificates import Certificate
from poolbench.lab.mysql.server import NotThere, ServerOptions, ServerUnavailable, flavour_of
from poolbench.lab.process import run

SERVER_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/usr/libexec")  # often not on a user's PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """`mysqld` or `mariadbd`, of the system or from a private prefix."""

    command: tuple[str, ...]  # how it is called; several words where it runs through a loader of its own
    flavour: str  # mysql or mariadb
    version: str
    source: str  # where it came from
    prefix: Path | None = None  # root of the private prefix
    libraries: Path | None = None  # of the prefix, if the program needs them in its environment

    @classmethod
    def installed(cls, name: str) -> Self:
        """Find the system's own.

        Raises:
            NotThere: it is not installed.
            ServerUnavailable: it does not run.

        """
        folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *SERVER_FOLDERS])
        program = shutil.which(name, path=folders)
        if program is None:
            raise NotThere("not installed")
        return cls._probe((program,), source=name)

    @classmethod
    def fetched(cls, prefix: Path, source: str, *, own_loader: bool = False) -> Self:
        """Find the one in a prefix that packages were unpacked into.

        Args:
            prefix: root of the packages' files.
            source: how it was had.
            own_loader: run it through the prefix's own loader and libc, because the system's may be older.

        Raises:
            ServerUnavailable: the prefix lacks a server, or it does not run.

        """
        program = shutil.which("mariadbd", path=prefix / "usr/sbin") or shutil.which(
            "mysqld", path=prefix / "usr/sbin"
        )
        libraries = next(iter(sorted((prefix / "usr/lib").glob("*-linux-gnu*"))), None)
        if program is None or libraries is None:
            raise ServerUnavailable(f"{prefix} holds no server")
        if not own_loader:
            return cls._probe((program,), source=source, prefix=prefix, libraries=libraries)
        loader = next(iter(sorted(libraries.glob("ld-linux*.so.*"))), None)
        if loader is None:
            raise ServerUnavailable(f"{prefix} holds no loader")
        # Not in the environment: the system's own programs would load these libraries and crash.
        return cls._probe(
            (str(loader), "--library-path", str(libraries), program), source=source, prefix=prefix
        )

    @classmethod
    def _probe(
        cls, command: tuple[str, ...], source: str, prefix: Path | None = None, libraries: Path | None = None
    ) -> Self:
        try:
            done = subprocess.run(
                [*command, "--no-defaults", "--version"],
                capture_output=True,
                text=True,
                check=True,
                env=_environment(libraries),
                timeout=20,
            )
        except subprocess.CalledProcessError as error:
            raise ServerUnavailable(f"{command[-1]} does not run: {error.stderr.strip()}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServerUnavailable(f"{command[-1]} does not run: {error}") from error
        found = re.search(r"Ver (\S+)", done.stdout)
        if found is None:
            raise ServerUnavailable(f"{command[-1]} --version says {done.stdout.strip()!r}")
        return cls(
            command=command,
            flavour=flavour_of(done.stdout),
            version=found[1],
            source=source,
            prefix=prefix,
            libraries=libraries,
        )

    @property
    def program(self) -> Path:
        """The server program itself."""
        return Path(self.command[-1])

    def environment(self) -> dict[str, str]:
        """Variables to run it with, and none of the caller's but PATH."""
        return _environment(self.libraries)

    def base_settings(self) -> list[str]:
        """Settings that every call needs, on one data directory or another."""
        settings = ["--no-defaults"]
        if os.geteuid() == 0:
            settings.append("--user=root")  # refuses to run as the superuser unless told so
        if self.prefix and self.flavour == "mariadb":  # MySQL finds its files relative to the program
            settings.append(f"--basedir={self.prefix / 'usr'}")
            shares = [self.prefix / "usr/share" / name for name in ("mariadb", "mysql")]
            settings += [f"--lc-messages-dir={share}" for share in shares if (share / "english").is_dir()]
        return settings


def _environment(libraries: Path | None) -> dict[str, str]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return environment | ({"LD_LIBRARY_PATH": str(libraries)} if libraries else {})


_COMMON = (
    "--skip-log-bin",
    "--skip-name-resolve",
    "--performance-schema=OFF",
    "--character-set-server=utf8mb4",
    "--back-log=500",
    "--thread-cache-size=64",
    "--max-allowed-packet=256M",
    "--innodb-buffer-pool-size=64M",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
)
_LAYOUT = {
    "mariadb": ("--innodb-log-file-size=8M", "--skip-innodb-doublewrite"),
    "mysql": ("--innodb-redo-log-capacity=16M", "--innodb-doublewrite=OFF"),
}
_OF_FLAVOUR = {
    "mariadb": (),
    # Without NULL, MySQL looks for a directory that only its package makes.
    "mysql": ("--mysqlx=OFF", "--secure-file-priv=NULL"),
}


def layout_settings(flavour: str) -> list[str]:
    """Settings that shape the data directory, for those who lay it out and those who run on it."""
    return list(_LAYOUT[flavour])


def running_settings(flavour: str, options: ServerOptions, certificate: Certificate) -> list[str]:
    """Settings of every server that the lab runs, in a container or not."""
    return [
        *_COMMON,
        *_LAYOUT[flavour],
        *_OF_FLAVOUR[flavour],
        f"--max-connections={options.max_connections}",
        f"--wait-timeout={options.wait_timeout_s}",
        f"--interactive-timeout={options.wait_timeout_s}",
        f"--ssl-ca={certificate.authority}",
        f"--ssl-cert={certificate.certificate}",
        f"--ssl-key={certificate.key}",
    ]


def prepare(binary: Binary, data: Path) -> None:
    """Fill `data` with what a new server of this version starts from.

    Raises:
        ServerUnavailable: the server's own tool failed to, or a directory cannot be written.

    """
    settings = layout_settings(binary.flavour)
    digest = hashlib.sha256("\n".join(settings).encode()).hexdigest()[:8]
    template = cache_directory() / "data" / f"{binary.flavour}-{binary.version}-{digest}"
    try:
        build_once(template, lambda folder: _lay_out(binary, settings, folder))
    except OSError as error:
        raise ServerUnavailable(
            f"cannot write {template}: {error}; XDG_CACHE_HOME may name another place"
        ) from error
    shutil.copytree(template, data)


def _lay_out(binary: Binary, settings: list[str], data: Path) -> None:
    command = [*_tool(binary), *binary.base_settings(), *settings, f"--datadir={data}"]
    if binary.flavour == "mysql":
        command += ["--initialize-insecure", "--secure-file-priv=NULL"]
    else:
        command += ["--auth-root-authentication-method=normal", "--skip-test-db", "--force"]
    done = run(command, binary.environment())
    if done.returncode:
        lines = done.stdout.splitlines()
        # The reason comes before a page of advice.
        words = "\n".join([line for line in lines if "ERROR" in line] or lines[-8:])
        raise ServerUnavailable(f"{binary.program} could not lay out its data:\n{words}")


def _tool(binary: Binary) -> list[str]:
    """MySQL lays out its data itself, MariaDB has a script for it, beside or near the server."""
    if binary.flavour == "mysql":
        return list(binary.command)
    beside = [str(binary.program.parent.parent / "bin"), os.environ.get("PATH", os.defpath)]
    script = shutil.which("mariadb-install-db", path=os.pathsep.join(beside))
    if script is None:
        raise ServerUnavailable(f"no mariadb-install-db for {binary.program}")
    return [script]
