import threading
from pathlib import Path

import pytest

from poolbench.lab.cache import build_once, cache_directory


def test_the_result_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "made"

    def build(folder: Path) -> None:
        (folder / "first").touch()
        assert not target.exists()
        (folder / "second").touch()

    assert build_once(target, build) == target
    assert {file.name for file in target.iterdir()} == {"first", "second"}


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    build_once(tmp_path / "made", lambda folder: (folder / "first").touch())
    build_once(tmp_path / "made", lambda _: pytest.fail("made twice"))


def test_a_failed_build_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_once(tmp_path / "made", fail)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    build_once(tmp_path / "made", lambda folder: (folder / "whole").touch())
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["whole"]


def test_what_a_killed_build_left_is_thrown_away(tmp_path: Path) -> None:
    def leave_half(folder: Path) -> None:
        (folder / "half").touch()
        folder.rename(tmp_path / "half-made")  # SIGKILL runs no clean-up: take the directory away from it
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_once(tmp_path / "made", leave_half)
    (tmp_path / "half-made").rename(tmp_path / ".made.partial")
    build_once(tmp_path / "made", lambda folder: (folder / "whole").touch())
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["whole"]


def test_of_two_at_once_one_builds_and_the_other_waits_for_it(tmp_path: Path) -> None:
    built: list[str] = []
    seen: list[bool] = []
    begun, go_on = threading.Event(), threading.Event()

    def build(folder: Path) -> None:
        begun.set()
        assert go_on.wait(10)
        (folder / "whole").touch()
        built.append(threading.current_thread().name)

    def want() -> None:
        seen.append((build_once(tmp_path / "made", build) / "whole").exists())

    threads = [threading.Thread(target=want) for _ in range(2)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert seen == [True, True]
    assert len(built) == 1


@pytest.mark.parametrize("ignored", ["", "relative/path"])
def test_the_cache_is_below_home_unless_xdg_names_an_absolute_path(
    ignored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", ignored)
    assert cache_directory() == tmp_path / ".cache" / "poolbench"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache_directory() == tmp_path / "other" / "poolbench"
