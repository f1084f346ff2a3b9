"""Data directories: laid out once per server version, then copied."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from poolbench.lab.cache import build_once, cache_directory
from poolbench.lab.mysql.binary import Binary
from poolbench.lab.mysql.server import ServerUnavailable
from poolbench.lab.mysql.settings import layout_settings
from poolbench.lab.platform import parent_death_hook


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
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=binary.environment(),
        preexec_fn=parent_death_hook(),
    )
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
