"""A run that pytest-benchmark has saved, by --benchmark-json or --benchmark-save."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from micro.summary import Line, NoData, lines

_MACHINE = ("python_implementation", "python_version", "system", "release", "machine", "libraries", "cpus")
_CPU = ("brand_raw", "count")
_REQUIRED = {"benchmarks", "machine_info", "commit_info", "datetime"}
_DIGITS = 9  # of seconds, the resolution of the clock


class NotARun(Exception):
    """A file that holds no run of this suite; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a file holds.

    Attributes:
        lines: its benchmarks.
        facts: what they were measured with, for whoever judges them.

    """

    lines: tuple[Line, ...]
    facts: Mapping[str, str]


def load(path: Path) -> Run:
    """Read a run.

    Raises:
        NotARun: it is none, or was saved without its rounds.

    """
    content = _read(path)
    try:
        return Run(tuple(lines(content["benchmarks"])), dict(_facts(content)))
    except NoData as error:
        raise NotARun(f"{path}: {error}") from None
    except (KeyError, TypeError) as error:
        raise NotARun(f"{path} is not a run of bench/micro: {error!r} is missing or wrong") from None


def trim(path: Path, target: Path) -> None:
    """Write a run without what nobody reads again: the host's name, CPU flags, options; small enough to keep.

    It is still a file of pytest-benchmark's, for `load` and for --benchmark-compare.

    Raises:
        NotARun: it is none.

    """
    content = _read(path)
    for benchmark in content["benchmarks"]:
        del benchmark["options"], benchmark["params"]
        for part, key in ((benchmark["stats"], "data"), (benchmark["extra_info"], "reference_s")):
            part[key] = [round(seconds, _DIGITS) for seconds in part[key]]
    machine = content["machine_info"]
    kept = {key: machine[key] for key in _MACHINE} | {"cpu": {key: machine["cpu"].get(key) for key in _CPU}}
    content["machine_info"] = kept
    target.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotARun(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or not set(content) >= _REQUIRED:
        raise NotARun(f"{path} is not a file of pytest-benchmark's: make one with --benchmark-json")
    return content


def _facts(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    machine, commit = content["machine_info"], content["commit_info"]
    infos = [benchmark["extra_info"] for benchmark in content["benchmarks"]]
    yield "measured", f"{content['datetime'][:16].replace('T', ' ')} UTC"
    yield "commit", f"{commit['id']}{', with changes' if commit['dirty'] else ''}"
    yield "server", _listed(info.get("server") for info in infos)
    yield "drivers", _listed(info.get("driver") for info in infos)
    yield "libraries", ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    yield "Python", f"{machine['python_implementation']} {machine['python_version']}"
    yield "CPU", f"{machine['cpu']['brand_raw']}, {machine['cpu']['count']} cores"
    yield "cores that the client could use", ", ".join(map(str, machine["cpus"]))
    yield "kernel", f"{machine['system']} {machine['release']}"


def _listed(names: Iterable[str | None]) -> str:
    return ", ".join(sorted({name for name in names if name}))
