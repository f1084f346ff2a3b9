"""What is done about systems that are not Linux, and that they are told."""

import resource
from collections.abc import Iterator

import pytest

from poolbench.lab import platform


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another system, and the limits as they were afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(platform, "IS_LINUX", False)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("elsewhere")
def test_no_more_files_are_asked_for_than_macos_grants_where_nothing_is_limited() -> None:
    platform.raise_file_limit()
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert now == min(most, 10_240)


@pytest.mark.usefixtures("elsewhere")
def test_whoever_is_not_on_linux_is_told_that_nobody_has_tried_that() -> None:
    assert "never tried on this platform" in platform.fidelity_notes()[0]
