"""`poolbench bundle`: the function's deployment package; and the lab's way to run the very same."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from poolbench.aws.bundle import ARCHITECTURES, DEFAULT, HERE, PYTHONS, Bundle, CannotBundle, Runtime
from poolbench.campaign import BadCampaign
from poolbench.campaign.plan import Campaign
from poolbench.cli.options import Verb
from poolbench.function.drivers import DEFAULT as DRIVER
from poolbench.lab.aws import FunctionConfig
from poolbench.lab.leftovers import work_directory


@click.command(cls=Verb)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT,
    show_default=True,
    help="The zip; infra/template.yaml deploys the one in the usual place.",
)
@click.option(
    "--python",
    type=click.Choice(PYTHONS),
    default=HERE.python,
    show_default="this one",
    help="Lambda's Python that it is for; needs the same one here, to compile with.",
)
@click.option(
    "--architecture",
    type=click.Choice(ARCHITECTURES),
    default=HERE.architecture,
    show_default="this machine's",
    help="Lambda's processor that it is for.",
)
@click.option(
    "--module",
    "own",
    multiple=True,
    metavar="NAME",
    help="Also put in a module or package of your own, with engines or requests that campaigns name. "
    "Can be given several times.",
)
def bundle(out: Path, python: str, architecture: str, own: tuple[str, ...]) -> None:
    """Make the zip that is deployed: functions and what they import, compiled, the same bytes each time."""
    from poolbench.aws.pack import make_bundle  # noqa: PLC0415 (campaigns need only what is above)

    sys.path.insert(0, str(Path.cwd()))  # as for campaigns
    made = make_bundle(out, Runtime(python, architecture), own)
    click.echo(f"{made.path}: {made.megabytes:.2f} MB, sha256 {made.sha256}")
    click.echo(f"for the parameters PythonVersion={python} Architecture={architecture}")


@dataclass(frozen=True, slots=True)
class Code:
    """What the lab's functions run: an unpacked bundle, or this very package."""

    sha256: str | None = None  # of the bundle
    directory: Path | None = None

    def functions(self, made: Sequence[FunctionConfig]) -> Sequence[FunctionConfig]:
        """Have functions run it, and nothing that is not in it."""
        if self.directory is None:
            return made
        return [
            replace(one, code=self.directory, environment=_without_paths(one.environment)) for one in made
        ]


def _without_paths(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environment.items() if name != "PYTHONPATH"}


@contextlib.contextmanager
def unpacked(path: Path | None, campaign: Campaign) -> Iterator[Code]:
    """The code of a bundle, there for as long as the block runs.

    Raises:
        click.UsageError: the file is not a bundle.
        CannotBundle: it is one for another Python or machine.
        BadCampaign: the campaign asks for libraries that are not in it.

    """
    if path is None:
        yield Code()
        return
    if campaign.sqlalchemy or set(campaign.factors.drivers) != {DRIVER}:
        raise BadCampaign("--bundle: factors.drivers and sqlalchemy choose libraries; the bundle has its own")
    try:
        found = Bundle.open(path)
    except CannotBundle as error:
        raise click.UsageError(f"--bundle: {error}") from error
    with work_directory() as directory:
        found.unpack(directory)
        yield Code(found.sha256, directory)
