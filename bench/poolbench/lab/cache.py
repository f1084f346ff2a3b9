"""The user's cache directory, for whatever is costly to make.

Standard library only: it is imported before there is an environment.
"""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def cache_directory() -> Path:
    """Directory of fetched software and prepared data, below XDG_CACHE_HOME or ~/.cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG base directory specification says to ignore relative paths.
    return (base if base.is_absolute() else Path.home() / ".cache") / "poolbench"


def build_once(target: Path, build: Callable[[Path], None]) -> Path:
    """Return `target`, a directory that `build` fills unless it is there already.

    It appears whole or not at all: `build` works in a directory beside it, which is renamed when complete. A
    second process that wants the same waits for the first; what an interrupted one left is thrown away.

    Raises:
        OSError: the place cannot be written.

    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():  # made while this process waited
            return target
        partial = target.parent / f".{target.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            build(partial)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target
