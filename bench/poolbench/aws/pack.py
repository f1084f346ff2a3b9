"""Makes the bundle: a zip of what the functions import, compiled, and nothing else.

The same inputs give the same bytes, so that a deployment without changes changes nothing. The libraries are
those of infra/lambda.lock, checked against its hashes.
"""

import ast
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import poolbench
from poolbench.aws.bundle import DEFAULT, HERE, MANIFEST, PYTHONS, Bundle, CannotBundle, NoModule, Runtime

PACKAGE = Path(poolbench.__file__).parent
INFRA = PACKAGE.parents[1] / "infra"
_TASK_ROOT = "/var/task"
_HANDLERS = ("poolbench.function.handler", "poolbench.function.sampler", "poolbench.aws.conductor")

# Lambda's runtimes up to 3.11 stand on glibc 2.26, those from 3.12 on glibc 2.34.
_PLATFORMS = {
    "3.11": ("manylinux2014_{}",),
    **dict.fromkeys(PYTHONS[1:], ("manylinux_2_28_{}", "manylinux2014_{}")),
}
_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}  # Lambda's name -> the platform tag's

# Of botocore's descriptions of 400 services, and of SQLAlchemy's dialects, what the handlers use.
_SERVICES = ("lambda", "rds", "s3", "secretsmanager")
_DIALECTS = ("mysql", "sqlite")  # the control has no server behind
_UNUSED = ("bin", "boto3/data", "boto3/examples", "dateutil/zoneinfo", "sqlalchemy/testing")
_UNUSED_SUFFIXES = (".pxd", ".pyi", ".pyx", ".typed")
_OLDEST = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can express


def make_bundle(path: Path = DEFAULT, runtime: Runtime = HERE, modules: Sequence[str] = ()) -> Bundle:
    """Make the zip; takes seconds, and the package index where pip has not cached the libraries.

    Args:
        path: of the zip; replaced only when the new one is whole.
        runtime: what to make it for; this very Python and machine by default.
        modules: importable modules or packages of the user's own, to go in too. What they import has to be
            in the bundle already.

    Raises:
        CannotBundle: see its message.

    """
    interpreter, own = runtime.interpreter(), [_source_of(module) for module in modules]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "root"
        _install(runtime, root)
        _prune(root)
        for file in imported_by(_HANDLERS):
            _copy(file, root / file.relative_to(PACKAGE.parent))
        for source in own:
            _copy(source, root / source.name)
        shutil.copyfile(INFRA / "roots.pem", root / "roots.pem")
        _compile(interpreter, root)
        (root / MANIFEST).write_text(json.dumps(asdict(runtime)) + "\n", encoding="utf-8")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        _zip(root, partial)
        partial.replace(path)
    return Bundle(path, runtime)


def _install(runtime: Runtime, root: Path) -> None:
    lock = INFRA / "lambda.lock"
    if not lock.is_file():
        raise CannotBundle(f"there is no {lock}: it comes with a checkout, so make the bundle in one")
    machine = _MACHINES[runtime.architecture]
    platforms = [part.format(machine) for part in _PLATFORMS[runtime.python]]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += [f"--target={root}", "--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile"]
    command += ["--implementation=cp", f"--python-version={runtime.python}"]
    command += [f"--platform={name}" for name in platforms]
    done = subprocess.run([*command, "-r", lock], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotBundle(f"pip could not install infra/lambda.lock: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.startswith("ERROR")), text.strip())


def _prune(root: Path) -> None:
    unused = [root / part for part in _UNUSED]
    unused += [each for each in (root / "botocore/data").glob("*/") if each.name not in _SERVICES]
    unused += [each for each in (root / "sqlalchemy/dialects").glob("*/") if each.name not in _DIALECTS]
    for directory in unused:
        shutil.rmtree(directory, ignore_errors=True)
    for file in _files(root):
        # Of a distribution the name and version are asked for, and its licence goes where it goes.
        kept = file.name == "METADATA" or "licen" in str(file.relative_to(root)).lower()
        in_info = file.relative_to(root).parts[0].endswith(".dist-info")
        if file.suffix in _UNUSED_SUFFIXES or (in_info and not kept):
            file.unlink()
        elif file.suffix == ".so":
            file.write_bytes(loadable(file.read_bytes()))


def loadable(library: bytes) -> bytes:
    """Cut off what the dynamic loader does not read of an ELF file, 64 bits and little-endian.

    The segments are all that it maps; the sections behind them, and the table of sections, are for linkers
    and debuggers (System V ABI, "Object Files"; layout in elf(5)). They are most of SQLAlchemy's libraries.
    """
    header = bytearray(library)
    (segments,), (size, count) = struct.unpack_from("<Q", library, 32), struct.unpack_from("<HH", library, 54)
    ends = []
    for number in range(count):
        offset, _, _, in_file = struct.unpack_from("<QQQQ", library, segments + number * size + 8)
        ends.append(offset + in_file)
    struct.pack_into("<Q", header, 40, 0)  # where the table of sections begins
    struct.pack_into("<HH", header, 60, 0, 0)  # how many there are, and which one has their names
    return bytes(header[: max(ends)])


def imported_by(modules: Sequence[str]) -> list[Path]:
    """Files of this package that these modules of it import, directly or not, and their own."""
    found: dict[str, Path] = {}
    ahead = list(modules)
    while ahead:
        name = ahead.pop()
        parts = name.split(".")
        file = PACKAGE.parent.joinpath(*parts).with_suffix(".py")
        if not file.is_file():
            file = PACKAGE.parent.joinpath(*parts, "__init__.py")
        if name in found or parts[0] != PACKAGE.name or not file.is_file():
            continue  # seen already, a library's, or a name in a module
        found[name] = file
        ahead.append(name.rpartition(".")[0])
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                ahead += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                ahead += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return sorted(found.values())


def _source_of(module: str) -> Path:
    """File or package directory of a top-level module."""
    name = module.partition(".")[0]
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise NoModule(f"module {name!r} is not importable from here")
    origin = Path(spec.origin)
    return origin.parent if spec.submodule_search_locations else origin


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _compile(interpreter: str, root: Path) -> None:
    """Turn sources into bytecode, in their place.

    Lambda's task directory cannot be written, so sources would be compiled at each cold start. Beside the
    bytecode they would be dead weight; tracebacks lose the text of lines, not their numbers.
    """
    # Names in the bytecode as they are on Lambda, and no dates: nothing in it depends on when or where.
    command = [interpreter, "-m", "compileall", "-q", "-b", "-j1", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(root), "-p", _TASK_ROOT, str(root)]
    # Sets of constants are written in the order of their hashes.
    done = subprocess.run(
        command, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotBundle(f"cannot compile the bundle: {(done.stdout + done.stderr).strip()}")
    for file in _files(root):
        if file.suffix == ".py":
            file.unlink()


def _zip(root: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in _files(root):
            entry = zipfile.ZipInfo(file.relative_to(root).as_posix(), _OLDEST)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # Unix, a file that all can read
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())
