"""`poolbench`, its verbs and its exit codes."""

import importlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, MappingProxyType

import click

from poolbench import __version__

FAILED, USAGE, INTERRUPTED = 1, 2, 130
EXTRAS = "cli,lab,report,notebooks"

# Verb -> module and command. Imported when used: charts and the lab take seconds to import.
VERBS: Mapping[str, str] = MappingProxyType(
    {
        "strategies": "catalogue:strategies",
        "drivers": "catalogue:drivers",
        "failures": "catalogue:failures",
        "campaigns": "catalogue:campaigns",
        "plan": "plan:plan",
        "campaign": "campaign:campaign",
        "sync": "report:sync_command",
        "report": "report:report",
        "notebooks": "notebooks:notebooks",
        "readme": "readme:readme",
        "lab": "lab:lab",
        "bundle": "bundle:bundle",
        "doctor": "doctor:doctor",
        "deploy": "aws_stack:deploy",
        "destroy": "aws_stack:destroy",
    }
)


class _Verbs(click.Group):
    """Commands by name, in the order of VERBS."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module, _, attribute = VERBS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"poolbench.cli.{module}"), attribute)
        return command


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="poolbench")
def poolbench() -> None:
    """Measure which SQLAlchemy pool strategy a Lambda behind RDS Proxy should use.

    \b
    poolbench campaign quick      two minutes on this machine, no AWS account: rows, tables, charts
    poolbench plan full           what a campaign would do, and how long it would take
    poolbench strategies          what is compared

    Exit codes: 1 for a failure, 2 for a command line or file that cannot be right, 130 after Ctrl-C.
    """


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM, and a terminal that is closed, end a campaign as Ctrl-C does: cleaned up and resumable."""
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exit 0, 1 for a failure, 2 for a usage error, 130 for an interruption."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _interrupt)
    try:
        Path.cwd()
    except FileNotFoundError:
        _fail(FAILED, "the current directory has been removed: go to another one")
    try:
        code = poolbench.main(argv, prog_name="poolbench", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # everything is cleaned up; another one may come now
        _fail(INTERRUPTED, "interrupted")
    except OSError as error:  # a file, a pipe: the system names it, and a traceback would explain nothing
        _fail_output(error)
    except ModuleNotFoundError as error:
        _fail(FAILED, _how_to_get(str(error.name)))
    except Exception as error:
        code = _code_of(error)
        if code is None:  # a bug, which is to be seen whole
            raise
        _fail(code, str(error))
    sys.exit(code if isinstance(code, int) else 0)


def _code_of(error: Exception) -> int | None:
    """Exit code of an error whose message says all there is to say; None for any other."""
    from poolbench.cli.errors import EXPECTED, WRONG_INPUT  # noqa: PLC0415 (slow to import, and rarely needed)

    if isinstance(error, WRONG_INPUT):
        return USAGE
    return FAILED if isinstance(error, EXPECTED) else None


def _fail_output(error: OSError) -> None:
    """Say what cannot be read or written; nothing, if whoever read the output has gone."""
    if sys.stdout:  # what is still to be written to it would fail again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        sys.exit(FAILED)
    _fail(FAILED, f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _how_to_get(module: str) -> str:
    if module == "micro":
        return "this needs a checkout of poolbench: the microbenchmarks in bench/micro are not installed"
    return f"{module} is not installed: the extras poolbench[{EXTRAS}] install everything"


def _fail(code: int, message: str) -> None:
    click.echo(f"poolbench: {message}", err=True)
    sys.exit(code)
