import platform
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from poolbench.lab import debs
from poolbench.lab.mysql import ServerUnavailable, find, install_mysql, installed_mysql, running_server
from poolbench.lab.mysql.find import fetched_server


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "poolbench"


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apt knows no archive."""
    if shutil.which("apt-get") is None:
        pytest.skip("no apt on this machine")
    configuration = tmp_path / "apt.conf"
    configuration.write_text('Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "/dev/null";\n')
    monkeypatch.setenv("APT_CONFIG", str(configuration))


@pytest.mark.usefixtures("cache", "offline")
def test_without_an_archive_apt_is_no_way_out() -> None:
    with pytest.raises(
        ServerUnavailable, match=r"the archive has no mysql-server-core\*, nor mariadb-server"
    ):
        fetched_server()


@pytest.mark.usefixtures("cache")
def test_mysql_that_was_not_fetched_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable, match="poolbench lab install-mysql"):
        installed_mysql()
    with (
        pytest.raises(ServerUnavailable, match="mysql-prefix: not fetched yet"),
        running_server("mysql-prefix", work_dir=tmp_path),
    ):
        pass


@pytest.mark.usefixtures("cache", "offline")
def test_mysql_that_cannot_be_had_says_so_in_one_line() -> None:
    with pytest.raises(ServerUnavailable, match="MySQL cannot be fetched from Debian's sid: ") as failed:
        install_mysql()
    assert "\n" not in str(failed.value)


@pytest.mark.usefixtures("cache", "offline")
def test_mysql_needs_debians_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "_UNSTABLE", replace(find._UNSTABLE, keyring=tmp_path / "missing.gpg"))
    with pytest.raises(ServerUnavailable, match=r"missing\.gpg"):
        install_mysql()


def test_a_damaged_prefix_says_what_to_remove(cache: Path) -> None:
    fetched = cache / "apt" / f"{debs.release()}-{platform.machine()}"
    fetched.mkdir(parents=True)
    with pytest.raises(ServerUnavailable, match=f"holds no server; remove {fetched}"):
        fetched_server()


@pytest.mark.slow
def test_a_server_is_fetched_from_nothing(cache: Path, tmp_path: Path) -> None:
    """The whole way of a machine that has no server: apt, unpack, lay out, start."""
    try:
        found = fetched_server()
    except ServerUnavailable as error:
        pytest.skip(str(error).splitlines()[0])
    with running_server("apt", work_dir=tmp_path / "work") as running:
        assert running.server.flavour == found.flavour
    assert {folder.name for folder in cache.iterdir()} == {"apt", "data"}
