"""`poolbench lab`: the stand-in by itself, for your own clients and experiments."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from poolbench.cli.options import SERVER_VARIABLE, Verb, refuse_given, server_option
from poolbench.lab.cache import cache_directory
from poolbench.lab.libraries import install_mysqlclient
from poolbench.lab.mysql import install_mysql
from poolbench.lab.process import started_at
from poolbench.lab.proxy import ProxySettings
from poolbench.lab.stack import LabSpec, Stack, running_stack
from poolbench.targets.lab import lab_functions


@dataclass(frozen=True, slots=True)
class LabState:
    """A lab in the background."""

    pid: int
    started: str  # as `started_at` has it: after a power cut the number is somebody else's
    variables: Mapping[str, str] = field(repr=False)  # with passwords


def state_path() -> Path:
    """One lab for each user, unless POOLBENCH_LAB_STATE names another file."""
    return Path(os.environ.get("POOLBENCH_LAB_STATE") or cache_directory() / "lab.json")


def read_state() -> LabState | None:
    """The lab that is up; None if none is, or the last one has died."""
    with suppress(OSError, ValueError, TypeError):
        state = LabState(**json.loads(state_path().read_text()))
        os.kill(state.pid, 0)
        if started_at(state.pid) == state.started:
            return state
    return None


def write_state(variables: Mapping[str, str]) -> None:
    """Leave word that this process runs a lab.

    Raises:
        FileExistsError: another one has come up meanwhile.

    """
    path = state_path()
    partial = path.with_suffix(f".{os.getpid()}")
    partial.touch(mode=0o600)
    try:
        state = LabState(os.getpid(), started_at(os.getpid()), dict(variables))
        partial.write_text(json.dumps(asdict(state)))
        if read_state() is None:
            path.unlink(missing_ok=True)  # of one that has died
        path.hardlink_to(partial)
    finally:
        partial.unlink()


def remove_state() -> None:
    """The lab is going down."""
    state_path().unlink(missing_ok=True)


START_TIMEOUT_S = 300.0


class _LabVerbs(click.Group):
    command_class = Verb


@click.command(cls=_LabVerbs)
def lab() -> None:
    """Run the local stand-in: a MySQL server, a proxy with RDS Proxy's settings, a Lambda service.

    \b
    poolbench lab up                    start it in the background
    poolbench lab env                   print its variables, for `eval`
    poolbench lab exec -- CMD ARGS      run a command with its variables set
    poolbench lab down                  stop it
    """


def lab_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that `up` and `exec` share."""
    for option in (
        server_option("MySQL server: a URL, docker, mysqld, mariadbd or apt."),
        click.option(
            "--idle-client-timeout", type=float, default=60, show_default=True, help="Of the proxy, seconds."
        ),
        click.option("--lanes", type=click.IntRange(0, 64), default=1, show_default=True, help="Functions."),
    ):
        command = option(command)
    return command


@lab.command()
@lab_options
def up(server: str | None, idle_client_timeout: float, lanes: int) -> None:
    """Start the lab in the background."""
    ProxySettings(idle_client_timeout=idle_client_timeout)  # a mistake is told here, not in a log
    if read_state():
        raise click.ClickException("the lab is up; `poolbench lab down` stops it")
    path = state_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    log = path.with_suffix(".log")
    command = [sys.executable, "-m", "poolbench", "lab", "serve", "--lanes", str(lanes)]
    command += ["--idle-client-timeout", str(idle_client_timeout)]
    # Not on the command line, which everybody can read: it may be a URL with a password.
    environment = {**os.environ, **({SERVER_VARIABLE: server} if server else {})}
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            env=environment,
        )
    try:
        _wait_until_up(process, log)
    except BaseException:  # Ctrl-C, too, which does not reach a session of its own
        process.terminate()
        process.wait()
        raise
    click.echo(log.read_text(errors="replace"), nl=False)
    click.echo("the lab is up; `poolbench lab env` prints its variables, `poolbench lab down` stops it")


def _wait_until_up(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ((state := read_state()) and state.pid == process.pid):
        if process.poll() is not None or time.monotonic() > deadline:
            wrong_input = process.returncode == click.UsageError.exit_code
            kind = click.UsageError if wrong_input else click.ClickException
            raise kind(f"the lab did not start:\n{log.read_text(errors='replace').rstrip()}")
        time.sleep(0.05)


@lab.command(hidden=True)
@lab_options
def serve(server: str | None, idle_client_timeout: float, lanes: int) -> None:
    """Run the lab in the foreground and keep its state file, until a signal comes."""
    with _stack(server, idle_client_timeout, lanes) as stack:
        try:
            write_state(stack.environment())
        except FileExistsError:
            raise click.ClickException("another lab has come up meanwhile") from None
        try:
            signal.pause()
        finally:
            remove_state()


@lab.command()
def down() -> None:
    """Stop the lab."""
    state = read_state()
    if state is None:
        raise click.ClickException("the lab is not up")
    os.kill(state.pid, signal.SIGTERM)
    while read_state():
        time.sleep(0.05)
    click.echo("the lab is down")


@lab.command(name="env")
def print_variables() -> None:
    """Print the lab's variables as shell commands: eval "$(poolbench lab env)"."""
    state = read_state()
    if state is None:
        raise click.ClickException("the lab is not up; `poolbench lab up` starts it")
    for name, value in state.variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@lab.command(name="exec", context_settings={"ignore_unknown_options": True})
@lab_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(server: str | None, idle_client_timeout: float, lanes: int, command: tuple[str, ...]) -> None:
    """Run COMMAND with the lab's variables: of the lab that is up, else of one for this command alone."""
    state = read_state()
    if state:
        refuse_given(
            ("--server", "--idle-client-timeout", "--lanes"),
            "for a lab of this command's own, but one is up: `poolbench lab down` first, or leave it out",
        )
        sys.exit(_run(command, state.variables))
    with _stack(server, idle_client_timeout, lanes) as stack:
        code = _run(command, stack.environment())
    sys.exit(code)


@lab.command(name="install-mysql")
def install_mysql_command() -> None:
    """Fetch a real MySQL from Debian's unstable suite into a private directory, for --server mysql-prefix."""
    found = install_mysql()
    click.echo(f"MySQL {found.version} is there: use it with --server mysql-prefix")


@lab.command(name="install-mysqlclient")
def install_mysqlclient_command() -> None:
    """Compile the driver mysqlclient into a private directory, for campaigns that name it."""
    click.echo(f"mysqlclient is there: {install_mysqlclient()}")


def _run(command: tuple[str, ...], variables: Mapping[str, str]) -> int:
    try:
        code = subprocess.run(command, env={**os.environ, **variables}, check=False).returncode
    except OSError as error:
        raise click.UsageError(f"{command[0]}: {error.strerror}") from error
    return code if code >= 0 else 128 - code  # as shells have it for one that a signal ended


def _stack(server: str | None, idle_client_timeout: float, lanes: int) -> AbstractContextManager[Stack]:
    return running_stack(
        lambda endpoints: lab_functions(lanes, 30, endpoints),
        LabSpec(ProxySettings(idle_client_timeout=idle_client_timeout), server=server),
        say=lambda text: click.echo(text, err=True),
    )
