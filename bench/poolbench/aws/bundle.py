"""The function's deployment package: what it is for, and how it is unpacked here."""

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

DEFAULT = Path("build/bundle.zip")  # where infra/template.yaml looks for it
MANIFEST = "bundle.json"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")  # Lambda's runtimes that this package supports
ARCHITECTURES = ("x86_64", "arm64")


class CannotBundle(Exception):
    """The bundle cannot be made or used; the message says why and what to do."""


class NoModule(CannotBundle):
    """What was to be put in is not there."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a bundle is for, in Lambda's words."""

    python: str
    architecture: str

    def interpreter(self) -> str:
        """Path of a Python of this version, which is needed to compile for it.

        Raises:
            CannotBundle: Lambda has no such runtime, or this machine no such Python.

        """
        if self.python not in PYTHONS:
            raise CannotBundle(
                f"Python {self.python}: Lambda runs {', '.join(PYTHONS)}; choose with --python"
            )
        if self.python == HERE.python:
            return sys.executable
        found = shutil.which(f"python{self.python}")
        if found and _version(found) == self.python:
            return found
        raise CannotBundle(
            f"python{self.python} is not on PATH, which compiling needs: install it, or leave out --python "
            f"to bundle for Python {HERE.python}"
        )


HERE = Runtime(
    python=f"{sys.version_info.major}.{sys.version_info.minor}",
    architecture="arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
)


def _version(interpreter: str) -> str:
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    asked = subprocess.run([interpreter, "-c", script], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A zip that has been made."""

    path: Path
    runtime: Runtime

    @classmethod
    def open(cls, path: Path) -> Self:
        """Find out what an existing bundle is for.

        Raises:
            CannotBundle: it is none.

        """
        try:
            with zipfile.ZipFile(path) as archive:
                return cls(path, Runtime(**json.loads(archive.read(MANIFEST))))
        except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise CannotBundle(
                f"{path} is not a bundle ({error}): make one with `poolbench bundle`"
            ) from error

    @property
    def megabytes(self) -> float:
        """Size of the zip, in 10^6 bytes."""
        return self.path.stat().st_size / 1e6

    @property
    def sha256(self) -> str:
        """Of the zip, hexadecimal."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def unpack(self, directory: Path) -> None:
        """Unpack it, to be run by this interpreter.

        Raises:
            CannotBundle: it is for another one.

        """
        mine = self.runtime
        if mine != HERE:
            raise CannotBundle(
                f"{self.path} is for Python {mine.python} on {mine.architecture}, and this is Python "
                f"{HERE.python} on {HERE.architecture}: make one for it with `poolbench bundle`"
            )
        with zipfile.ZipFile(self.path) as archive:
            archive.extractall(directory)
