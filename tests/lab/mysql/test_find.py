import logging
import os
import re
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from poolbench.lab.certificates import issue
from poolbench.lab.mysql import RunningServer, Server, ServerUnavailable, binary, find, running_server
from poolbench.lab.mysql import server as server_module

# A server that is installed and lays out its data, but does not start.
BROKEN = """\
#!/bin/sh
case "$*" in
  *--version*) echo "mysqld  Ver 8.4.999 for Linux on x86_64" ;;
  *--initialize*) : ;;
  *) echo "[ERROR] the disk is made of cheese" >&2; exit 7 ;;
esac
"""


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is installed and nothing can be fetched; returns the only directory on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(binary, "SERVER_FOLDERS", ())
    return programs


def install(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(script.replace("#!/bin/sh", f"#!{os.path.realpath('/bin/sh')}"))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def why_not(choice: str | None, folder: Path) -> str:
    """What somebody is told who cannot have a server."""
    with pytest.raises(ServerUnavailable) as failed, running_server(choice, work_dir=folder):
        pass
    return str(failed.value)


def test_where_nothing_works_one_message_names_each_reason_and_the_ways_out(
    bare_machine: Path, tmp_path: Path
) -> None:
    message = why_not(None, tmp_path)
    assert "docker: no Docker engine answers" in message
    assert "mysqld: not installed" in message
    assert "mariadbd: not installed" in message
    assert "apt: this machine has no apt-get" in message
    for way_out in ("URL", "Docker engine", "mariadb-server", "archive"):
        assert way_out in message


def test_a_server_that_dies_at_its_start_says_why(bare_machine: Path, tmp_path: Path) -> None:
    install(bare_machine, "mysqld", BROKEN)
    assert re.search(r"exited with 7:\n.*made of cheese", why_not("mysqld", tmp_path / "work"))
    assert not list((tmp_path / "work").iterdir())


def test_a_server_that_does_not_run_at_all_says_why(bare_machine: Path, tmp_path: Path) -> None:
    install(bare_machine, "mysqld", "#!/bin/sh\necho no such library >&2\nexit 127\n")
    assert "mysqld does not run: no such library" in why_not("mysqld", tmp_path)


def test_one_that_does_not_serve_is_passed_over_with_a_warning(
    bare_machine: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    install(bare_machine, "mysqld", BROKEN)
    monkeypatch.setattr(find, "TRIED", ("mysqld", "mariadbd"))
    with caplog.at_level(logging.WARNING):
        assert "mariadbd: not installed" in why_not(None, tmp_path)
    assert [record.getMessage().splitlines()[0] for record in caplog.records] == [
        "mysqld is here but does not serve: the database server did not start: mysqld exited with 7:"
    ]


def test_an_unknown_choice_names_the_nearest(tmp_path: Path) -> None:
    assert "did you mean mariadbd" in why_not("mariadb", tmp_path)


@pytest.mark.parametrize("blocked", ["work", "cache"])
def test_a_place_that_cannot_be_written_is_named(
    blocked: str, tmp_path: Path, bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(bare_machine, "mysqld", BROKEN)
    (tmp_path / blocked).touch()  # a file where a directory is wanted stops the superuser as well
    assert re.search(f"cannot write .*/{blocked}", why_not("mysqld", tmp_path / "work"))


class TestUrl:
    def test_somebody_elses_server_is_used_and_left_alone(
        self, server: RunningServer, tmp_path: Path
    ) -> None:
        with running_server(server.server.url, work_dir=tmp_path) as given:
            assert given.server.version == server.server.version
            assert given.server.source == "url"
            for stop in (given.restart, given.kill):
                with pytest.raises(ServerUnavailable, match="not ours to stop"):
                    stop()
        assert server.server.execute("SELECT 1") == [(1,)]

    def test_wrong_credentials_are_the_servers_words(self, server: RunningServer, tmp_path: Path) -> None:
        url = f"mysql://nobody:wrong@127.0.0.1:{server.server.port}"
        assert "Access denied" in why_not(url, tmp_path)

    @pytest.fixture
    def found(self, server: RunningServer) -> Server:
        """Whose certificate is the lab's."""
        if server.server.tls_ca is None:
            pytest.skip("its certificate is not ours")
        return server.server

    def test_one_that_wants_tls_gets_it_where_the_url_names_its_authority(
        self, found: Server, tmp_path: Path
    ) -> None:
        found.execute("CREATE USER IF NOT EXISTS careful@'%' IDENTIFIED BY 'c' REQUIRE SSL")
        url = f"mysql://careful:c@127.0.0.1:{found.port}"
        assert re.search(r"if it wants TLS, .*\?ssl_ca=FILE", why_not(url, tmp_path))
        with running_server(f"{url}?ssl_ca={found.tls_ca}", work_dir=tmp_path) as given:
            assert given.server.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")[0][1].startswith("TLSv1.")

    def test_through_a_tunnel_its_name_is_not_checked_where_the_url_says_so(
        self, found: Server, tmp_path: Path
    ) -> None:
        # Another name of the same address, which its certificate does not know.
        url = found.url.replace("127.0.0.1", "127.1") + f"?ssl_ca={found.tls_ca}"
        assert re.search(r"if this is a tunnel .*&ssl_check_hostname=false", why_not(url, tmp_path))
        with running_server(f"{url}&ssl_check_hostname=false", work_dir=tmp_path) as given:
            assert given.server.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")[0][1].startswith("TLSv1.")
        strangers = issue(tmp_path).authority
        of_strangers = url.replace(str(found.tls_ca), str(strangers)) + "&ssl_check_hostname=false"
        assert "CERTIFICATE_VERIFY_FAILED" in why_not(of_strangers, tmp_path)
        undecided = why_not(f"{url}&ssl_check_hostname=no", tmp_path)
        assert re.search(r"ssl_check_hostname of .* neither true nor false", undecided)

    def test_nobody_there(self, tmp_path: Path) -> None:
        why = why_not("mysql://me@127.0.0.1:1", tmp_path)
        assert "nothing answers at 127.0.0.1:1: Can't connect to MySQL server" in why

    def test_one_that_accepts_and_says_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server_module, "_ASK_TIMEOUT_S", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            why = why_not(f"mysql://me@127.0.0.1:{silent.getsockname()[1]}", tmp_path)
        assert re.search("does not let me in: .*timed out", why)

    @pytest.mark.parametrize(
        "url", ["postgresql://me@here", "mysql://here", "mysql://me@", "mysql://me@here:port", "mysql://[x"]
    )
    def test_what_is_no_url_of_a_server_says_what_one_looks_like(self, url: str, tmp_path: Path) -> None:
        assert "is not mysql://user:password@host:port" in why_not(url, tmp_path)

    def test_a_password_may_hold_any_character(self, server: RunningServer, tmp_path: Path) -> None:
        password = "p@ss:w/rd%#?"
        with server.server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE USER IF NOT EXISTS 'odd'@'%%' IDENTIFIED BY %s", [password])
        url = replace(server.server, user="odd", password=password).url
        with running_server(url, work_dir=tmp_path) as given:
            assert given.server.execute("SELECT CURRENT_USER()") == [("odd@%",)]
