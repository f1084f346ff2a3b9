"""A private server: own data, free port, loopback only, gone at exit."""

import contextlib
import secrets
from pathlib import Path

import pymysql

from poolbench.lab.certificates import issue
from poolbench.lab.mysql.binary import Binary, prepare, running_settings
from poolbench.lab.mysql.server import Server, ServerOptions, ServerUnavailable
from poolbench.lab.platform import LOOPBACK, free_port
from poolbench.lab.process import Child, ChildFailed


class PortTaken(ServerUnavailable):
    """Another program listens on the port."""


def wait_until_it_answers(child: Child, server: Server, timeout_s: float) -> Server:
    """Ask until the server lets its administrator in, which nobody else's server on that port would.

    Raises:
        PortTaken: it found its port in use.
        ServerUnavailable: it exited or did not answer in time; the message ends with its log.

    """
    answers: list[Server] = []

    def answered() -> bool:
        with contextlib.suppress(pymysql.Error):
            answers.append(server.asked())
        return bool(answers)

    try:
        child.wait_until(answered, timeout_s)
    except ChildFailed as error:
        if "Address already in use" in child.log_tail():
            raise PortTaken(f"port {server.port} is taken by another program") from error
        raise ServerUnavailable(f"the database server did not start: {error}") from error
    return answers[0]


ADMINISTRATOR = "poolbench_admin"
_START_TIMEOUT_S = 60.0  # usually half a second, more on a loaded machine
_STOP_GRACE_S = 20.0
_PORTS_TRIED = 3

# Run before the first connection is accepted, at each start. A fresh data directory lets root in without a
# password, MariaDB's even over TCP.
_INIT = """\
DROP USER IF EXISTS 'root'@'localhost', 'root'@'127.0.0.1', 'root'@'::1';
CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON *.* TO '{user}'@'%' WITH GRANT OPTION;
"""


class Instance:
    """A running server process; `close` ends it."""

    def __init__(self, binary: Binary, folder: Path, options: ServerOptions) -> None:
        """Lay out the data and start.

        Raises:
            ServerUnavailable: it did not start; the message ends with its log.

        """
        self._binary, self._folder = binary, folder
        self._password = secrets.token_urlsafe(18)
        self._certificate = issue(folder)
        prepare(binary, folder / "data")
        init = folder / "init.sql"
        init.touch(mode=0o600)
        init.write_text(_INIT.format(user=ADMINISTRATOR, password=self._password))
        self._command = [
            *binary.command,
            *binary.base_settings(),
            *running_settings(binary.flavour, options, self._certificate),
            f"--datadir={folder / 'data'}",
            f"--pid-file={folder / 'pid'}",
            f"--init-file={init}",
            "--socket=",  # none: its path would often be too long, and TCP is what is measured
            f"--bind-address={LOOPBACK}",
        ]
        self._child, self.server = self._start_on_free_port()

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._child.pid

    def restart(self) -> None:
        """Stop and start on the same port, with the same data.

        Raises:
            ServerUnavailable: it did not come back.

        """
        self._child.stop(_STOP_GRACE_S)
        self._child, _ = self._start(self.server.port)

    def kill(self) -> None:
        """SIGKILL."""
        self._child.kill()

    def close(self) -> None:
        """End it without saving its data, which is not needed any more."""
        self.kill()

    def _start_on_free_port(self) -> tuple[Child, Server]:
        for _ in range(_PORTS_TRIED - 1):
            with contextlib.suppress(PortTaken):  # between finding it and using it
                return self._start(free_port())
        return self._start(free_port())

    def _start(self, port: int) -> tuple[Child, Server]:
        log = self._folder / f"{self._binary.flavour}.log"
        log.unlink(missing_ok=True)
        child = Child(
            [*self._command, f"--port={port}"], log=log, env=self._binary.environment(), cwd=self._folder
        )
        described = Server(
            host=LOOPBACK,
            port=port,
            user=ADMINISTRATOR,
            password=self._password,
            source=self._binary.source,
            tls_ca=self._certificate.authority,
        )
        try:
            return child, wait_until_it_answers(child, described, _START_TIMEOUT_S)
        except BaseException:
            child.kill()
            raise
