"""Whatever is installed was meant: locks pin every package by hash, and hold what pyproject.toml asks for."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parent.parent
LOCKS = [TOP / "requirements.lock", *sorted((TOP / "infra").glob("*.lock"))]


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


def test_the_lock_holds_what_the_project_asks_for() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    extras = itertools.chain.from_iterable(project["optional-dependencies"].values())
    locked = {
        canonicalize_name(requirement.name): next(iter(requirement.specifier)).version
        for requirement in entries(LOCKS[0])
        if _here(requirement.marker)
    }
    for requirement in map(Requirement, [*project["dependencies"], *extras]):
        if _here(requirement.marker):
            version = locked.get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement} is not locked: make lock"
            assert requirement.specifier.contains(version, prereleases=True), f"{requirement}: make lock"


def _here(marker: Marker | None) -> bool:
    return marker is None or marker.evaluate({"extra": ""})
