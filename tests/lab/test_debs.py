"""Real apt, on an archive made for the test, as little of the machine's own configuration as it allows."""

import email.utils
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from poolbench.lab.debs import FetchFailed, Suite, fetch

REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this machine")


class Archive:
    """A Debian archive in a directory, and an apt configuration that knows no other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.packages = root / "pool"
        self.packages.mkdir(parents=True)
        self.sources = root / "sources.list"
        self.configuration = root / "apt.conf"
        self.add_source(f"deb [trusted=yes] copy:{self.packages} ./")
        self.configuration.write_text(
            f'Dir::Etc::sourcelist "{self.sources}";\n'
            'Dir::Etc::sourceparts "/dev/null";\n'
            f'APT::Update::Post-Invoke {{ "touch {root}/hook-ran"; }};\n'
        )

    def add_source(self, line: str) -> None:
        with self.sources.open("a") as sources:
            sources.write(line + "\n")

    def add(self, name: str, version: str = "1.0", depends: str = "") -> None:
        build = self.root / "build" / name
        (build / "DEBIAN").mkdir(parents=True)
        (build / "opt").mkdir()
        (build / "opt" / name).write_text(version)
        control = (
            f"Package: {name}\nVersion: {version}\nArchitecture: all\n"
            "Maintainer: Nobody <nobody@example.org>\nDescription: made for a test\n"
            + (f"Depends: {depends}\n" if depends else "")
        )
        (build / "DEBIAN" / "control").write_text(control)
        package = self.packages / f"{name}_{version}_all.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", build, package], check=True, capture_output=True
        )
        with (self.packages / "Packages").open("a") as index:
            index.write(
                f"{control}Filename: ./{package.name}\nSize: {package.stat().st_size}\n"
                f"SHA256: {hashlib.sha256(package.read_bytes()).hexdigest()}\n\n"
            )


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    made = Archive(tmp_path / "archive")
    made.add("poolbench-tool", depends="poolbench-library, dpkg")
    made.add("poolbench-library")
    monkeypatch.setenv("APT_CONFIG", str(made.configuration))
    return made


def fetched(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_brings_what_the_package_needs_and_the_system_lacks(archive: Archive, tmp_path: Path) -> None:
    into = tmp_path / "prefix"
    assert fetch(["poolbench-tool"], into=into) == into
    assert fetched(into) == {"opt/poolbench-tool", "opt/poolbench-library"}


def test_a_second_fetch_needs_no_archive(archive: Archive, tmp_path: Path) -> None:
    fetch(["poolbench-tool"], into=tmp_path / "prefix")
    shutil.rmtree(archive.packages)
    fetch(["poolbench-tool"], into=tmp_path / "prefix")


def test_the_first_choice_that_is_there_whole_is_taken(archive: Archive, tmp_path: Path) -> None:
    choices = (["poolbench-tool", "poolbench-absent"], ["poolbench-library"], ["poolbench-tool"])
    fetch(*choices, into=tmp_path / "prefix")
    assert fetched(tmp_path / "prefix") == {"opt/poolbench-library"}


def test_a_pattern_stands_for_its_last_package(archive: Archive, tmp_path: Path) -> None:
    for name in ("poolbench-server-8.0", "poolbench-server-8.4"):
        archive.add(name)
    fetch(["poolbench-server*"], into=tmp_path / "prefix")
    assert fetched(tmp_path / "prefix") == {"opt/poolbench-server-8.4"}


def test_superfluous_directories_are_left_out(archive: Archive, tmp_path: Path) -> None:
    fetch(["poolbench-tool"], into=tmp_path / "prefix", without=["opt"])
    assert fetched(tmp_path / "prefix") == set()


def test_no_hook_of_the_machine_runs(archive: Archive, tmp_path: Path) -> None:
    fetch(["poolbench-tool"], into=tmp_path / "prefix")
    assert not (archive.root / "hook-ran").exists()


def test_an_unknown_package_is_named(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="the archive has no poolbench-absent"):
        fetch(["poolbench-absent"], into=tmp_path / "prefix")
    assert not (tmp_path / "prefix").exists()


def test_an_archive_out_of_reach_is_said_in_apts_words(archive: Archive, tmp_path: Path) -> None:
    shutil.rmtree(archive.packages)
    with pytest.raises(FetchFailed, match=str(archive.packages)):
        fetch(["poolbench-tool"], into=tmp_path / "prefix")


def test_a_source_out_of_reach_does_not_matter_where_another_has_the_package(
    archive: Archive, tmp_path: Path
) -> None:
    archive.add_source("deb [trusted=yes] copy:/nonexistent/archive ./")
    fetch(["poolbench-library"], into=tmp_path / "prefix")
    assert fetched(tmp_path / "prefix") == {"opt/poolbench-library"}


def test_a_package_that_cannot_be_downloaded_leaves_nothing(archive: Archive, tmp_path: Path) -> None:
    (archive.packages / "poolbench-library_1.0_all.deb").unlink()
    with pytest.raises(FetchFailed, match="poolbench-library"):
        fetch(["poolbench-tool"], into=tmp_path / "prefix")
    assert not [path for path in tmp_path.iterdir() if path.is_dir() and path != archive.root]


def test_no_apt_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchFailed, match="no apt-get"):
        fetch(["poolbench-tool"], into=tmp_path / "prefix")


def test_a_place_that_cannot_be_written_is_said_so(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FetchFailed, match="XDG_CACHE_HOME"):
        fetch(["poolbench-tool"], into=tmp_path / "file" / "prefix")


def test_another_suite_needs_its_keyring(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="no-such-keyring"):
        fetch(
            ["poolbench-tool"],
            into=tmp_path / "prefix",
            suite=Suite(name="sid", keyring=tmp_path / "no-such-keyring"),
        )


class SignedArchive:
    """An archive with the suites `stable` and `unstable`, signed with a key of its own."""

    def __init__(self, root: Path, pool: Path, gpg_home: Path) -> None:
        self.root, self._gpg_home = root, gpg_home
        self.keyring = root / "keyring.gpg"
        shutil.copytree(pool, root / "pool")
        self._gpg("--passphrase", "", "--quick-generate-key", "poolbench test", "default", "default", "never")
        self._gpg("--output", str(self.keyring), "--export")
        architecture = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()
        for suite in ("stable", "unstable"):
            index = Path("main") / f"binary-{architecture}" / "Packages"
            file = root / "dists" / suite / index
            file.parent.mkdir(parents=True)
            file.write_text((pool / "Packages").read_text().replace("Filename: ./", "Filename: pool/"))
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            release = root / "dists" / suite / "Release"
            release.write_text(
                f"Suite: {suite}\nCodename: {suite}\nComponents: main\nArchitectures: {architecture}\n"
                f"Date: {email.utils.formatdate(usegmt=True)}\n"
                f"SHA256:\n {digest} {file.stat().st_size} {index}\n"
            )
            self._gpg("--output", str(release.with_name("InRelease")), "--clear-sign", str(release))
            release.unlink()

    def _gpg(self, *arguments: str) -> None:
        command = ["gpg", "--homedir", str(self._gpg_home), "--batch", "--yes", *arguments]
        subprocess.run(command, check=True, capture_output=True)


class TestAnotherSuite:
    """Found below the archives of the machine's sources, and trusted for its signature alone."""

    @pytest.fixture
    def signed(self, archive: Archive, tmp_path: Path) -> Iterator[SignedArchive]:
        if shutil.which("gpg") is None:
            pytest.skip("no gpg to sign an archive with")
        # Not below tmp_path, which is often too long for the socket of gpg's agent.
        with tempfile.TemporaryDirectory() as home:
            yield SignedArchive(tmp_path / "signed", archive.packages, Path(home))
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)

    @pytest.fixture(params=["list", "sources"])
    def source(self, request: pytest.FixtureRequest, archive: Archive, signed: SignedArchive) -> None:
        """The machine's sources name the archive's stable suite, in apt's older or newer format."""
        if request.param == "list":
            archive.add_source(f"deb [signed-by={signed.keyring}] copy:{signed.root} stable main")
            return
        parts = archive.root / "sources.list.d"
        parts.mkdir()
        (parts / "test.sources").write_text(
            f"Types: deb\nURIs: copy:{signed.root}\nSuites: stable\nComponents: main\n"
            f"Signed-By: {signed.keyring}\n"
        )
        with archive.configuration.open("a") as configuration:
            configuration.write(f'Dir::Etc::sourceparts "{parts}";\n')

    @pytest.mark.usefixtures("source")
    def test_is_resolved_as_if_nothing_but_the_assumed_were_installed(
        self, signed: SignedArchive, tmp_path: Path
    ) -> None:
        into = tmp_path / "prefix"
        suite = Suite(name="unstable", keyring=signed.keyring)
        with pytest.raises(FetchFailed, match="poolbench-tool : Depends: dpkg"):
            fetch(["poolbench-tool"], into=into, suite=suite)
        fetch(["poolbench-tool"], into=into, suite=replace(suite, assumed=["dpkg"]))
        assert fetched(into) == {"opt/poolbench-tool", "opt/poolbench-library"}

    @pytest.mark.usefixtures("source")
    def test_signed_by_somebody_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "empty.gpg").touch()
        suite = Suite(name="unstable", keyring=tmp_path / "empty.gpg", assumed=["dpkg"])
        with pytest.raises(FetchFailed):
            fetch(["poolbench-tool"], into=tmp_path / "prefix", suite=suite)


def test_the_command_line_runs_on_a_bare_python(archive: Archive, tmp_path: Path) -> None:
    module = [sys.executable, "-S", "-m", "poolbench.lab.debs"]
    command = [*module, "fetch", "poolbench-tool", "--into", "prefix"]
    path = str(REPOSITORY / "bench")
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=True)
    assert fetched(tmp_path / "prefix") == {"opt/poolbench-tool", "opt/poolbench-library"}


def test_the_command_line_fails_with_one_message(archive: Archive, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "poolbench.lab.debs", "fetch", "poolbench-absent", "--into", "prefix"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("poolbench: the archive has no poolbench-absent")
