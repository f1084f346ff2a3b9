"""Private servers, for real: each test that stops one has its own."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pymysql
import pytest

from poolbench.lab.mysql import RunningServer, ServerOptions, ServerUnavailable, running_server
from poolbench.lab.mysql import instance as instance_module
from poolbench.lab.mysql import server as server_module
from poolbench.lab.platform import LOOPBACK, answers, free_port
from tests.lab.mysql.clients import administrator, login

Start = Callable[..., AbstractContextManager[RunningServer]]


@pytest.fixture
def start(server_choice: str | None, tmp_path: Path) -> Start:
    def started(**options: int) -> AbstractContextManager[RunningServer]:
        return running_server(server_choice, work_dir=tmp_path, options=ServerOptions(**options))

    return started


@pytest.fixture
def own(start: Start) -> Iterator[RunningServer]:
    """A server that the test may stop."""
    with start() as running:
        if running.server.source == "url":
            pytest.skip("somebody else's server is not stopped")
        yield running


@pytest.fixture
def private(own: RunningServer) -> RunningServer:
    """One that is a process of ours."""
    if own.server.source == "docker":
        pytest.skip("a container is no process of ours")
    return own


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long for the greeting of a program that never sends one."""
    monkeypatch.setattr(server_module, "_ASK_TIMEOUT_S", 0.5)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class TestAccess:
    @pytest.mark.parametrize("user", ["root", "", "poolbench_admin", "mysql", "mariadb.sys", "mysql.sys"])
    def test_nobody_gets_in_without_a_password(self, server: RunningServer, user: str) -> None:
        with pytest.raises(pymysql.err.OperationalError) as refused:
            login(server.server, user, "")
        assert refused.value.args[0] == 1045

    def test_listens_on_the_loopback_alone(self, private: RunningServer) -> None:
        listening = {
            line.split()[1]
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            if line.split()[1].endswith(f":{private.server.port:04X}") and line.split()[3] == "0A"
        }
        assert listening == {f"0100007F:{private.server.port:04X}"}

    def test_the_password_does_not_show(self, server: RunningServer) -> None:
        assert server.server.password not in repr(server.server)
        assert server.server.password in server.server.url
        if server.pid is not None:
            assert server.server.password.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()

    def test_tls_clients_can_verify_it(self, server: RunningServer) -> None:
        if server.server.tls_ca is None:
            pytest.skip("its certificate is not ours")
        context = ssl.create_default_context(cafile=server.server.tls_ca)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        with closing(administrator(server.server, tls=context)) as connection:
            cursor = connection.cursor()
            cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")
            assert str(cursor.fetchall()[0][1]).startswith("TLSv1.")


class TestSettings:
    def test_describes_itself(self, server: RunningServer) -> None:
        ((version, limit),) = server.server.execute("SELECT @@version, @@max_connections")
        assert (server.server.version, server.server.max_connections) == (version, limit)
        assert server.server.flavour == ("mariadb" if "MariaDB" in version else "mysql")

    def test_more_clients_than_allowed_are_refused(self, start: Start) -> None:
        with start(max_connections=10) as running:
            assert running.server.max_connections == 10
            clients = []
            with pytest.raises(pymysql.err.OperationalError) as refused:
                clients += [administrator(running.server) for _ in range(12)]
            assert refused.value.args[0] == 1040
        for client in clients:
            client.close()

    def test_idle_clients_are_closed_after_wait_timeout(self, start: Start) -> None:
        with start(wait_timeout_s=1) as running, closing(administrator(running.server)) as client:
            wait_until(lambda: running.server.execute("SHOW STATUS LIKE 'Threads_connected'")[0][1] == "1")
            with pytest.raises(pymysql.err.OperationalError) as lost:
                client.ping(reconnect=False)
            assert lost.value.args[0] in (2006, 2013, 4031)

    def test_text_is_utf8mb4(self, server: RunningServer) -> None:
        assert server.server.execute("SELECT @@character_set_server")[0][0] == "utf8mb4"


class TestLife:
    def test_a_restart_closes_clients_and_keeps_port_data_and_users(self, own: RunningServer) -> None:
        own.server.execute("CREATE DATABASE kept")
        pid = own.pid
        with closing(administrator(own.server)) as client:
            own.restart()
            with pytest.raises(pymysql.err.OperationalError):
                client.ping(reconnect=False)
        assert own.pid != pid
        assert ("kept",) in own.server.execute("SHOW DATABASES")

    def test_after_a_kill_nobody_answers_until_it_is_started_again(self, private: RunningServer) -> None:
        private.server.execute("CREATE DATABASE kept")
        private.kill()
        assert not answers(private.server.host, private.server.port)
        private.restart()
        assert ("kept",) in private.server.execute("SHOW DATABASES")

    @pytest.mark.usefixtures("impatient")
    def test_a_port_taken_meanwhile_is_named(self, private: RunningServer) -> None:
        private.kill()
        with (
            socket.create_server((LOOPBACK, private.server.port)),
            pytest.raises(ServerUnavailable, match=f"port {private.server.port} is taken"),
        ):
            private.restart()

    @pytest.mark.usefixtures("impatient")
    def test_a_port_taken_at_the_first_start_is_passed_over(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server((LOOPBACK, 0)) as somebody:
            ports = iter([somebody.getsockname()[1], free_port()])
            monkeypatch.setattr(instance_module, "free_port", lambda: next(ports))
            with start() as running:
                assert running.server.port != somebody.getsockname()[1]

    def test_leaves_no_process_port_or_file(self, start: Start, tmp_path: Path) -> None:
        with start() as running:
            pid, server = running.pid, running.server
            assert pid is not None
            assert is_alive(pid)
            assert answers(server.host, server.port)
            assert list(tmp_path.iterdir())
        assert not is_alive(pid)
        assert not answers(server.host, server.port)
        assert not list(tmp_path.iterdir())

    def test_dies_with_a_parent_that_is_killed(self, server_choice: str | None, tmp_path: Path) -> None:
        program = (
            "import sys, pathlib\n"
            "from poolbench.lab.mysql import running_server\n"
            f"with running_server({server_choice!r}, work_dir=pathlib.Path({str(tmp_path)!r})) as running:\n"
            "    print(running.pid, flush=True)\n"
            "    sys.stdin.read()\n"
        )
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            assert is_alive(pid)
            os.kill(parent.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid))
