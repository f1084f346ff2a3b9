"""`poolbench notebooks`: run the notebooks on the reference results or on your own campaign."""

from pathlib import Path

import click

import poolbench
from poolbench.cli import terminal
from poolbench.cli.options import Verb
from poolbench.cli.places import fetch

_ROOT = Path(poolbench.__file__).parents[2]  # notebooks and results are beside the package in a checkout
RESULTS = _ROOT / "results"


@click.command(cls=Verb)
@click.argument("place", default=str(RESULTS))
@click.option("--campaign", help="Which campaign of a store; needed if it holds several.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for the .ipynb files. [default: PLACE/notebooks; for the reference results, notebooks/]",
)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a notebook does not match PLACE.")
@click.pass_context
def notebooks(
    context: click.Context, place: str, *, campaign: str | None, out: Path | None, check: bool
) -> None:
    """Execute the notebooks on the campaigns at PLACE.

    PLACE is a directory of a synced campaign, or a store (an s3:// or file:// URL, a directory), which is
    synced to runs/ first. By default it is the reference results.
    """
    # `poolbench --help` imports every verb, and the libraries that execute notebooks may not be installed.
    from poolbench.report.execution import NotebookFailed, differences, write  # noqa: PLC0415

    console = terminal.console()
    results = fetch(place, campaign)
    sources = sorted((_ROOT / "notebooks").glob("*.py"))
    if not sources:
        raise click.ClickException(f"{_ROOT / 'notebooks'} has no notebooks: they come with a checkout")
    is_reference = results.resolve() == RESULTS
    target = out or (_ROOT / "notebooks" if is_reference else results / "notebooks")
    try:
        if check:
            found = [line for source in sources for line in differences(source, results)]
            click.echo("\n".join(found), err=True, nl=bool(found))
            context.exit(1 if found else 0)
        for source in sources:
            console.print(f"notebook: {write(source, results, target)}", soft_wrap=True)
    except NotebookFailed as failed:
        raise click.ClickException(str(failed)) from failed
