"""`poolbench deploy` and `poolbench destroy`: the stack on AWS, from nothing and back to nothing."""

import datetime
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from poolbench.aws.account import Account, AwsFailed, explained, open_account
from poolbench.aws.bundle import DEFAULT, Bundle
from poolbench.aws.deployed import STACK, find
from poolbench.aws.inventory import ROLE, delete_results, delete_stack, held
from poolbench.aws.preflight import check_deployable, check_parameters
from poolbench.cli import terminal
from poolbench.cli.doctor import show_inventory
from poolbench.cli.options import Finite, Verb

_STACK = click.option("--stack", default=STACK, show_default=True, help="Its name.")
_REGION = click.option("--region", help="[default: AWS_DEFAULT_REGION, or the profile's]")
# Where `make checks` puts SAM, and where else it may be.
_SAM = ("build/checks/sam/bin/sam", "sam")
_TEMPLATE, _ROLE_TEMPLATE = "infra/template.yaml", "infra/deployer.yaml"


@click.command(cls=Verb)
@_STACK
@_REGION
@click.option(
    "--idle-client-timeout", type=int, default=60, show_default=True, help="Of the proxy, in seconds."
)
@click.option(
    "--hours",
    type=Finite(1, 24 * 365),
    default=24,
    show_default=True,
    help="Until it deletes itself.",
)
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Of infra/template.yaml; several times.",
)
def deploy(
    *, stack: str, region: str | None, idle_client_timeout: int, hours: float, parameters: tuple[str, ...]
) -> None:
    """Create the stack of infra/template.yaml, or bring it up to date; about 20 minutes.

    Needs the bundle (`poolbench bundle`) and the SAM CLI (`make checks`).
    """
    own = _parse(parameters)
    runtime = Bundle.open(DEFAULT).runtime
    sam = _sam_cli()
    chosen = {
        "IdleClientTimeout": str(idle_client_timeout),
        "DeleteAt": _in(hours),
        "PythonVersion": runtime.python,
        "Architecture": runtime.architecture,
        **own,
    }
    check_parameters(chosen, Path(_TEMPLATE))
    account = open_account(region)
    chosen = {**check_deployable(account, stack, chosen), **chosen}
    role_stack = ROLE.format(stack)
    command = [sam, "deploy", "--region", account.region]
    command += ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
    _deploy(role_stack, {"StackName": stack}, [*command, "--template-file", _ROLE_TEMPLATE])
    command += ["--resolve-s3", "--language-extensions", "--role-arn", _role(account, role_stack)]
    _deploy(stack, chosen, [*command, "--template-file", _TEMPLATE])
    deployed = find(account, stack)
    click.echo(f"stack {stack} is up until {chosen['DeleteAt']} UTC; results in {deployed.store}")


def _in(hours: float) -> str:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def _parse(parameters: tuple[str, ...]) -> dict[str, str]:
    parsed = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.UsageError(f"--parameter {text!r}: use NAME=VALUE")
        parsed[name] = value
    return parsed


def _sam_cli() -> str:
    sam = next(filter(None, map(shutil.which, _SAM)), None)
    if sam is None or not Path(_TEMPLATE).exists():
        missing = "the SAM CLI" if sam is None else _TEMPLATE
        raise AwsFailed(f"{missing} is not there: run `make aws-up` in a checkout of poolbench")
    return sam


def _deploy(stack: str, parameters: Mapping[str, str], command: Sequence[str]) -> None:
    command = [*command, "--stack-name", stack, "--no-fail-on-empty-changeset", "--parameter-overrides"]
    command += [f"{name}={_quoted(value)}" for name, value in parameters.items()]
    done = subprocess.run(command, check=False, env={**os.environ, "SAM_CLI_TELEMETRY": "0"})
    if done.returncode:
        raise AwsFailed(
            f"`sam deploy` of {stack} failed; `poolbench doctor --aws --stack {stack}` says what is there"
        )


def _quoted(value: str) -> str:
    """As SAM reads it: what is not quoted ends at a space, and must not be empty."""
    return '"{}"'.format(value.replace('"', '\\"'))


def _role(account: Account, stack: str) -> str:
    with explained(f"read stack {stack}"):
        found = account.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    for output in found.get("Outputs", ()):
        if output["OutputKey"] == "RoleArn":
            return str(output["OutputValue"])
    raise AwsFailed(
        f"stack {stack!r} has no output 'RoleArn': was it made by another version? Delete it first"
    )


@click.command(cls=Verb)
@_STACK
@_REGION
@click.option(
    "--results",
    type=click.Choice(["keep", "delete"]),
    help="What becomes of the bucket; must be said if it holds any.",
)
def destroy(*, stack: str, region: str | None, results: str | None) -> None:
    """Delete the stack and wait until it is gone; its bucket of results only with --results delete."""
    account = open_account(region)
    buckets = held(account, stack)
    full = [bucket for bucket in buckets if bucket.objects]
    if full and results is None:
        listed = ", ".join(f"{one.bucket}: {one.objects} objects, {one.bytes / 1e6:.1f} MB" for one in full)
        raise click.UsageError(
            f"there are results ({listed}): say --results keep or --results delete, "
            "with make: aws-down RESULTS=keep"
        )
    delete_stack(account, stack, click.echo)
    for bucket in buckets:
        if results == "delete" or not bucket.objects:
            delete_results(account, bucket.bucket)
            click.echo(f"deleted bucket {bucket.bucket}")
        else:
            click.echo(f"kept bucket {bucket.bucket} with {bucket.bytes / 1e6:.1f} MB, at S3's price")
    sys.exit(0 if show_inventory(terminal.console(), account, stack, kept=results == "keep") else 1)
