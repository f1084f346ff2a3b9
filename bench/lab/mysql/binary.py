"""A server program on disk: what it is, and how to lay out and start its data."""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.lab.debs import cache_directory
from bench.lab.mysql.server import ServerOptions, ServerUnavailable, flavour_of
from bench.lab.ports import LOOPBACK

# Speed over durability: the data are made anew for each lab.
_COMMON = (
    "--skip-log-bin",
    "--skip-name-resolve",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--character-set-server=utf8mb4",
    "--back-log=500",
    "--thread-cache-size=64",
    f"--bind-address={LOOPBACK}",
)
_OF_FLAVOUR = {
    "mariadb": (
        "--innodb-log-file-size=8M",
        "--skip-innodb-doublewrite",
        "--innodb-flush-method=nosync",
        "--log-warnings=1",
    ),
    # Without the empty secure-file-priv, MySQL looks for a directory that only its package makes.
    "mysql": ("--innodb-redo-log-capacity=16M", "--mysqlx=OFF", "--secure-file-priv=NULL"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """`mysqld` or `mariadbd`, from the system or from a private prefix."""

    command: tuple[str, ...]  # how it is called; more than one word where it needs a loader of its own
    flavour: str
    version: str
    source: str
    prefix: Path | None = None  # root of a private prefix

    @classmethod
    def probe(cls, command: tuple[str, ...], source: str, prefix: Path | None = None) -> "Binary":
        """Ask the program for its version.

        Raises:
            ServerUnavailable: it does not run.

        """
        environment = _environment(prefix)
        try:
            done = subprocess.run(
                [*command, "--no-defaults", "--version"],
                capture_output=True,
                text=True,
                check=True,
                env=environment,
                timeout=20,
            )
        except (OSError, subprocess.SubprocessError) as error:
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
        )

    def environment(self) -> dict[str, str]:
        """Variables to run it with."""
        return _environment(self.prefix)

    def arguments(self, data: Path, port: int, options: ServerOptions) -> list[str]:
        """Command line of a private, loopback-only instance on `data`."""
        return [
            *self._base(data),
            *_COMMON,
            *_OF_FLAVOUR[self.flavour],
            f"--port={port}",
            f"--socket={data.parent / 's'}",
            f"--pid-file={data.parent / 'pid'}",
            f"--init-file={data.parent / 'init.sql'}",
            f"--max-connections={options.max_connections}",
            f"--wait-timeout={options.wait_timeout_s}",
            f"--interactive-timeout={options.wait_timeout_s}",
        ]

    def prepare(self, data: Path) -> None:
        """Lay out a data directory, from this version's prepared one where there is one.

        Raises:
            ServerUnavailable: the program failed to.

        """
        template = cache_directory() / "data" / f"{self.flavour}-{self.version}"
        if not template.is_dir():
            template.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".data-", dir=template.parent) as folder:
                fresh = Path(folder) / "data"
                self._initialise(fresh)
                if not template.is_dir():
                    fresh.rename(template)
        shutil.copytree(template, data)

    def _base(self, data: Path) -> list[str]:
        base = [*self.command, "--no-defaults", f"--datadir={data}"]
        if os.geteuid() == 0:
            base.append("--user=root")
        if self.prefix and self.flavour == "mariadb":
            base += [f"--basedir={self.prefix / 'usr'}", f"--lc-messages-dir={self._share()}"]
        return base

    def _share(self) -> Path:
        """Directory of the server's SQL scripts and messages."""
        for name in ("mysql", "mariadb"):
            share = (self.prefix or Path("/")) / "usr" / "share" / name
            if (share / "mysql_system_tables.sql").exists() or (share / "mariadb_system_tables.sql").exists():
                return share
        raise ServerUnavailable(f"{self.command[-1]}: its SQL scripts are not below usr/share")

    def _initialise(self, data: Path) -> None:
        if self.flavour == "mysql":
            command, script = [*self._base(data), "--initialize-insecure", "--secure-file-priv=NULL"], ""
        else:
            data.mkdir()
            # What mariadb-install-db does, which needs programs that the server's package lacks.
            command = [*self._base(data), "--bootstrap", "--innodb-log-file-size=8M", "--skip-log-bin"]
            script = "create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n"
            for part in ("system_tables", "performance_tables", "system_tables_data"):
                (file,) = self._share().glob(f"m*_{part}.sql")
                script += file.read_text(encoding="utf-8")
            # Administrators without a password, for addresses that TCP clients have.
            script += "delete from mysql.global_priv where Host != 'localhost';\n"
        done = subprocess.run(
            command, input=script, capture_output=True, text=True, check=False, env=self.environment()
        )
        if done.returncode:
            last = "\n".join(done.stderr.splitlines()[-8:])
            raise ServerUnavailable(f"{self.command[-1]} could not lay out its data:\n{last}")


def _environment(prefix: Path | None) -> dict[str, str]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if prefix:
        libraries = [str(folder) for folder in sorted((prefix / "usr" / "lib").glob("*-linux-gnu*"))]
        environment["LD_LIBRARY_PATH"] = ":".join([*libraries, str(prefix / "usr" / "lib")])
    return environment
