"""MySQL in a container, where a Docker engine runs."""

import contextlib
import os
import platform
import secrets
import shutil
import subprocess
from pathlib import Path

from poolbench.lab.certificates import Certificate, issue
from poolbench.lab.leftovers import marked_by, own_mark
from poolbench.lab.mysql.binary import running_settings
from poolbench.lab.mysql.instance import wait_until_it_answers
from poolbench.lab.mysql.server import Server, ServerOptions, ServerUnavailable
from poolbench.lab.platform import LOOPBACK, free_port
from poolbench.lab.process import Child

DOCKER = "docker"
IMAGE = "mysql:8.4"
LABEL = "poolbench-lab"  # in `docker ps`
_OWNER = "poolbench-owner"  # label: whose it is, and of which process; an engine may serve several machines
_TLS = Path("/etc/poolbench-tls")  # in the container
_START_TIMEOUT_S = 120.0  # the image lays out its data first
_STOP_GRACE_S = 20


def engine_runs() -> bool:
    """Whether a Docker engine answers; the client alone does not count."""
    if shutil.which("docker") is None:
        return False
    with contextlib.suppress(subprocess.SubprocessError):
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        subprocess.run(command, check=True, capture_output=True, timeout=10)
        return True
    return False


def create_command(name: str, port: int, options: ServerOptions) -> list[str]:
    """Command that creates the container; the environment passes the password, hidden from `ps`."""
    return [
        # A power cut ends the engine, too, and at its next start --rm has it remove what was left.
        *("docker", "create", "--rm", "--name", name, "--label", f"{LABEL}={name}"),
        *("--label", f"{_OWNER}={_whose()}{own_mark()}"),
        # Not a port of Docker's choice: it would choose another after a restart.
        *("--publish", f"{LOOPBACK}:{port}:3306", "--env", "MYSQL_ROOT_PASSWORD"),
        IMAGE,
        *running_settings("mysql", options, Certificate.in_folder(_TLS)),
    ]


def _whose() -> str:
    """Machine and user, which begin the label of every container that is theirs."""
    return f"{platform.node()} {os.getuid()} "


def abandoned() -> list[str]:
    """Names of this user's containers on this machine whose lab has gone, and could not remove them.

    Raises:
        ServerUnavailable: the engine does not list them.

    """
    labels = f'{{{{.Names}}}} {{{{.Label "{_OWNER}"}}}}'
    lines = _docker("ps", "--all", "--filter", f"label={_OWNER}", "--format", labels).splitlines()
    found = (line.partition(f" {_whose()}") for line in lines)
    return sorted(name for name, ours, mark in found if ours and marked_by(mark) is None)


def remove(name: str) -> None:
    """Remove a container with its data, whatever its state.

    Raises:
        ServerUnavailable: the engine does not.

    """
    _docker(*_removal(name))


def _removal(name: str) -> list[str]:
    return ["rm", "--force", "--volumes", name]


class Container:
    """A running container; `close` removes it."""

    def __init__(self, folder: Path, options: ServerOptions) -> None:
        """Create and start it, after Docker has pulled the image where it is missing.

        Raises:
            ServerUnavailable: it did not start; the message ends with its log.

        """
        self._folder, self._name = folder, f"{LABEL}-{secrets.token_hex(4)}"
        tls = folder / "tls"
        tls.mkdir()
        certificate = issue(tls)
        certificate.key.chmod(0o644)  # in the container another user reads it; here the folder protects it
        described = Server(
            host=LOOPBACK,
            port=free_port(),
            user="root",
            password=secrets.token_urlsafe(18),
            source=DOCKER,
            tls_ca=certificate.authority,
        )
        create = create_command(self._name, described.port, options)
        _docker(*create[1:], MYSQL_ROOT_PASSWORD=described.password)
        with contextlib.ExitStack() as undo:
            undo.callback(_remove_when_asked_or_orphaned(self._name).communicate)
            _docker("cp", str(tls), f"{self._name}:{_TLS}")
            # Attached, because a container that fails takes its log with it.
            output = self._follow(undo, "start", "--attach", self._name)
            self.server = wait_until_it_answers(output, described, _START_TIMEOUT_S)
            self._undo = undo.pop_all()

    @property
    def pid(self) -> int:
        """Process id of the server, as the engine's machine counts."""
        return int(_docker("inspect", "--format", "{{.State.Pid}}", self._name))

    def restart(self) -> None:
        """Stop and start on the same port, with the same data.

        Raises:
            ServerUnavailable: it did not come back, or was killed, which is its end.

        """
        _docker("restart", "--time", str(_STOP_GRACE_S), self._name)
        output = self._follow(self._undo, "logs", "--follow", "--tail", "0", self._name)
        wait_until_it_answers(output, self.server, _START_TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL; the engine removes what is left."""
        _docker("kill", self._name)

    def close(self) -> None:
        """Remove it."""
        self._undo.close()

    def _follow(self, undo: contextlib.ExitStack, *arguments: str) -> Child:
        output = Child(["docker", *arguments], log=self._folder / "docker.log")
        undo.callback(output.kill)
        return output


def _remove_when_asked_or_orphaned(name: str) -> subprocess.Popen[bytes]:
    """A process that removes the container once its standard input ends, be it by a call or by our death.

    No child of ours is the container's parent, so nothing else would end it when this process is killed.
    """
    return subprocess.Popen(
        ["sh", "-c", 'cat; exec docker "$@"', "sh", *_removal(name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _docker(*arguments: str, **environment: str) -> str:
    try:
        done = subprocess.run(
            ["docker", *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
        )
    except subprocess.CalledProcessError as error:
        raise ServerUnavailable(f"docker {arguments[0]} failed: {error.stderr.strip()}") from error
    return done.stdout
