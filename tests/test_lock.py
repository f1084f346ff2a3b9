"""Whatever is installed was meant: locks pin every package by hash, and hold what pyproject.toml asks for."""

import itertools
import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parent.parent
LOCKS = [*sorted(TOP.glob("*.lock")), *sorted((TOP / "infra").glob("*.lock"))]
CAMPAIGN, TESTS = TOP / "requirements.lock", TOP / "requirements-test.lock"
GROUPS = tomllib.loads((TOP / "pyproject.toml").read_text())["dependency-groups"]


def entries(lock: Path) -> dict[Requirement, list[str]]:
    """Requirements of a lock with their hashes."""
    text = re.sub(r"(?m)^\s*#.*$", "", lock.read_text())
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            requirement, *hashes = line.split(" --hash=")
            found[Requirement(requirement)] = [one.strip() for one in hashes]
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_is_pinned_to_one_version_and_its_hashes(lock: Path) -> None:
    assert len(entries(lock)) > 3
    for requirement, hashes in entries(lock).items():
        assert [part.operator for part in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert [one for one in hashes if not re.fullmatch("sha256:[0-9a-f]{64}", one)] == [], requirement


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_host(lock: Path) -> None:
    assert not [requirement for requirement in entries(lock) if requirement.url]
    assert not re.search(r"://|--index-url|--find-links|--trusted-host", lock.read_text())


def test_the_locks_hold_what_the_project_asks_for() -> None:
    locked = versions(CAMPAIGN, TESTS)
    for requirement in asked_for(*project()["optional-dependencies"], *GROUPS):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not locked: make lock"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}: make lock"


def test_the_lock_of_tests_comes_on_top_of_that_of_a_campaign() -> None:
    assert versions(CAMPAIGN).keys() & versions(TESTS).keys() == set()


def test_a_campaign_and_its_report_need_nothing_beyond_their_lock() -> None:
    locked, needed = versions(CAMPAIGN), set()
    due = list(asked_for("cli", "lab", "report", "build"))
    while due:
        requirement = due.pop()
        name, extras = canonicalize_name(requirement.name), sorted(requirement.extras)
        if (name, *extras) not in needed:
            needed.add((name, *extras))
            due += [
                further
                for further in map(Requirement, metadata.requires(name) or ())
                if any(_here(further.marker, extra) for extra in ["", *extras])
            ]
    assert {name for name, *_ in needed} == locked.keys()


def project() -> dict[str, Any]:
    declared: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    return declared


def asked_for(*parts: str) -> Iterator[Requirement]:
    """What the project requires here, with these extras and groups."""
    known = project()["optional-dependencies"] | GROUPS
    lists = [project()["dependencies"], *(known[part] for part in parts)]
    return filter(lambda one: _here(one.marker), map(Requirement, itertools.chain.from_iterable(lists)))


def versions(*locks: Path) -> dict[str, str]:
    """Names and versions of what these locks install here."""
    return {
        canonicalize_name(requirement.name): next(iter(requirement.specifier)).version
        for lock in locks
        for requirement in entries(lock)
        if _here(requirement.marker)
    }


def _here(marker: Marker | None, extra: str = "") -> bool:
    return marker is None or marker.evaluate({"extra": extra})
