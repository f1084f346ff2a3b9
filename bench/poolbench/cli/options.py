"""Options that several verbs share."""

import math
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from poolbench.campaign import BadCampaign
from poolbench.campaign.file import CampaignFile
from poolbench.lab import libraries
from poolbench.lab.proxy.relay import LONGEST_S, SHORTEST_S
from poolbench.targets.faults import proxy_settings
from poolbench.targets.functions import how_to_install, is_installed
from poolbench.typed import unknown


def load(file: str, strategies: Sequence[str] = (), failures: Sequence[str] = ()) -> CampaignFile:
    """Read a campaign file, change it as the command line says, and check it against what the lab can do.

    Modules in the current directory can be named, here and in the functions.

    Raises:
        BadCampaign: see the message.

    """
    sys.path.insert(0, str(Path.cwd()))
    loaded = CampaignFile.load(file).with_strategies(strategies).with_failures(failures)
    for name in loaded.campaign.factors.drivers:
        if not is_installed(name):
            raise BadCampaign(f"{file}: factors.drivers: {name} is not installed: {how_to_install(name)}")
    series = loaded.campaign.sqlalchemy
    if series and series not in libraries.SQLALCHEMY:
        raise BadCampaign(f"{file}: sqlalchemy: {unknown(series, libraries.SQLALCHEMY)}")
    proxy_settings(loaded.campaign)  # raises what the proxy would, before anything is started
    rtt_s = loaded.campaign.added_rtt_s
    if rtt_s and not SHORTEST_S <= rtt_s <= LONGEST_S:
        raise BadCampaign(f"{file}: added_rtt_s is {rtt_s}, not 0 and not {SHORTEST_S} to {LONGEST_S}")
    return loaded


SERVER_VARIABLE = "POOLBENCH_SERVER"
STORE = "runs/store"  # below the current directory, like everything that a campaign writes


class Verb(click.Command):
    """A command that takes no empty value: such a one is a shell's variable that has not been set."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:  # noqa: D102
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        for parameter in self.params:
            value = given.get(parameter.name or "")
            values = value if isinstance(value, list | tuple) else (value,)
            if "" in values and parameter.type is not click.UNPROCESSED:
                raise click.BadParameter("it is empty", ctx, parameter)
        return super().parse_args(ctx, args)


class Finite(click.FloatRange):
    """A number within limits; not nan, which is within any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: D102
        number = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value} is not a finite number", param, ctx)


def server_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--server`, or a variable: a URL with a password does not belong on a command line."""
    return click.option("--server", envvar=SERVER_VARIABLE, show_envvar=True, help=text)


def refuse_given(options: Collection[str], because: str) -> None:
    """Refuse options of the running command that count for nothing: whoever names one wants it to.

    Raises:
        click.UsageError: names those that were given, and then why they cannot be.

    """
    context = click.get_current_context()
    wrong = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.opts[0] in options
        and context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    if wrong:
        raise click.UsageError(f"{', '.join(wrong)}: {because}")


def given_again(hidden: Collection[str]) -> list[str]:
    """Options of the running command as they were given, for a command that goes on with what it did.

    Args:
        hidden: options whose values are not to be shown.

    """
    context = click.get_current_context()
    words = []
    for parameter in context.command.params:
        option, name = parameter.opts[0], parameter.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and isinstance(parameter, click.Option) and option != "--resume":
            value = context.params[name]
            for one in value if isinstance(value, tuple) else (value,):
                words += [option, "..." if option in hidden else str(one)]
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignOptions:
    """What `poolbench campaign` was asked for: its options by their names; those of other targets stay unset.

    Attributes:
        strategies: of the file's, and these.
        failures: in place of the file's.
        url: of a user's database.
        driver: who waits for the gaps on AWS.
        lane: one of the stack's other lanes.

    """

    file: str
    store_url: str
    out: Path | None
    resume: str | None
    server: str | None = field(repr=False)
    url: str | None = field(repr=False)
    failures: tuple[str, ...]
    strategies: tuple[str, ...]
    bundle: Path | None
    freeze: str
    target: str
    stack: str
    region: str | None
    driver: str
    lane: str | None
    max_usd: float | None
