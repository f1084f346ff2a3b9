"""Options that several verbs share."""

from collections.abc import Callable
from typing import Any

import click

SERVER_VARIABLE = "POOLBENCH_SERVER"


def server_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--server`, or a variable: a command line is no place for a URL with a password."""
    return click.option("--server", envvar=SERVER_VARIABLE, show_envvar=True, help=text)
