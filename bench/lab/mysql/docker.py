"""A server in a container, where a Docker engine runs."""

import contextlib
import os
import secrets
import shutil
import subprocess
import time
from dataclasses import replace

import pymysql

from bench.lab.mysql.server import Server, ServerOptions, ServerUnavailable
from bench.lab.ports import LOOPBACK

IMAGE = "mysql:8.4"
LABEL = "poolbench-lab"  # by which left-over containers are found
START_TIMEOUT_S = 180.0  # the image may have to be pulled


def engine_runs() -> bool:
    """Whether a Docker engine answers; the client alone does not count."""
    if shutil.which("docker") is None:
        return False
    with contextlib.suppress(subprocess.SubprocessError):
        subprocess.run(["docker", "version", "--format", "x"], check=True, capture_output=True, timeout=10)
        return True
    return False


def run_command(name: str, options: ServerOptions) -> list[str]:
    """Command that starts the container; the root password comes through the environment, not the list."""
    return [
        *("docker", "run", "--detach", "--rm", "--name", name, "--label", LABEL),
        *("--publish", f"{LOOPBACK}::3306", "--env", "MYSQL_ROOT_PASSWORD"),
        IMAGE,
        f"--max-connections={options.max_connections}",
        f"--wait-timeout={options.wait_timeout_s}",
        "--skip-name-resolve",
        "--character-set-server=utf8mb4",
    ]


class Container:
    """A MySQL container of the lab's own."""

    def __init__(self, options: ServerOptions) -> None:
        """Start it and wait until it answers.

        Raises:
            ServerUnavailable: it did not; the message ends with Docker's words.

        """
        self._name = f"{LABEL}-{secrets.token_hex(4)}"
        password = secrets.token_urlsafe(18)
        _docker(run_command(self._name, options), {"MYSQL_ROOT_PASSWORD": password})
        try:
            self.server = self._wait(password)
        except BaseException:
            self.close()
            raise

    def restart(self) -> None:
        """Stop and start again; Docker keeps the published port for a named container."""
        _docker(["docker", "restart", self._name])
        self._wait(self.server.password)

    def kill(self) -> None:
        """SIGKILL."""
        _docker(["docker", "kill", self._name])

    def close(self) -> None:
        """Remove it."""
        with contextlib.suppress(ServerUnavailable):
            _docker(["docker", "rm", "--force", self._name])

    def _wait(self, password: str) -> Server:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            published = _docker(["docker", "port", self._name, "3306/tcp"])
            server = Server(
                host=LOOPBACK,
                port=int(published.splitlines()[0].rpartition(":")[2]),
                user="root",
                password=password,
                flavour="mysql",
                version="",
                source="docker",
            )
            try:
                ((version,),) = server.execute("SELECT VERSION()")
            except pymysql.Error as error:
                if time.monotonic() > deadline:
                    raise ServerUnavailable(f"the {IMAGE} container does not answer: {error}") from error
                time.sleep(0.2)
            else:
                return replace(server, version=version)


def _docker(command: list[str], environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env={**os.environ, **(environment or {})}
        )
    except subprocess.CalledProcessError as error:
        raise ServerUnavailable(f"{' '.join(command[:2])} failed: {error.stderr.strip()}") from error
    return done.stdout
