"""A private server: own data, free port, loopback only, gone at exit."""

import secrets
import shutil
from pathlib import Path

import pymysql

from bench.lab.mysql.binary import Binary
from bench.lab.mysql.server import Server, ServerOptions, ServerUnavailable
from bench.lab.ports import LOOPBACK, free_port
from bench.lab.process import Child, ChildFailed

START_TIMEOUT_S = 60.0  # it takes half a second; a loaded machine may take its time


class Instance:
    """A server process of the lab's own."""

    def __init__(self, binary: Binary, folder: Path, options: ServerOptions) -> None:
        """Lay out the data in `folder` and start.

        Raises:
            ServerUnavailable: it did not start; the message ends with its log.

        """
        self._binary, self._folder, self._options = binary, folder, options
        password = secrets.token_urlsafe(18)
        self.server = Server(
            host=LOOPBACK,
            port=free_port(),
            user="poolbench_admin",
            password=password,
            flavour=binary.flavour,
            version=binary.version,
            source=binary.source,
        )
        folder.mkdir(mode=0o700)
        binary.prepare(folder / "data")
        init = folder / "init.sql"
        init.touch(mode=0o600)
        # Run before the first connection is accepted, so there is no moment without passwords.
        init.write_text(
            f"CREATE USER IF NOT EXISTS '{self.server.user}'@'%' IDENTIFIED BY '{password}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{self.server.user}'@'%' WITH GRANT OPTION;\n"
            f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n"
        )
        self._child = self._start()

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._child.pid

    def restart(self) -> None:
        """Stop and start again on the same port, with the same data."""
        self._child.stop(grace_s=20)
        self._child = self._start()

    def kill(self) -> None:
        """SIGKILL."""
        self._child.kill()

    def close(self) -> None:
        """End it and remove its data; they are nobody's, so there is nothing to save."""
        self._child.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> Child:
        log = self._folder / "log"
        try:
            child = Child(
                self._binary.arguments(self._folder / "data", self.server.port, self._options),
                log=log,
                env=self._binary.environment(),
                cwd=self._folder,
            )
            try:
                child.wait_until(self._answers, START_TIMEOUT_S)
            except BaseException:
                child.kill()
                raise
        except (OSError, ChildFailed) as error:
            raise ServerUnavailable(f"the database server did not start: {error}") from error
        return child

    def _answers(self) -> bool:
        try:
            self.server.execute("SELECT 1")
        except pymysql.Error:
            return False
        return True
