"""What of poolbench is in an account: its stack, what that costs, and what was left over."""

from collections.abc import Iterator
from dataclasses import dataclass

from poolbench.aws.account import Account, explained
from poolbench.aws.cost import StackSize, hourly, total
from poolbench.aws.deployed import ABSENT, UNBORN, WHOLE, cure_of, find, status_of
from poolbench.aws.prices import NoPrice, Prices
from poolbench.aws.workflow import running

ROLE = "{}-deployer"  # stack of the role that a stack is deployed with


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The answer, line by line."""

    notes: tuple[str, ...]  # what is there, and may be
    problems: tuple[str, ...]  # what is broken, or costs and is good for nothing


def take(account: Account, stack: str, *, kept: bool = False) -> Inventory:
    """Look for a stack and for everything that has its name.

    Args:
        account: where to look.
        stack: its name.
        kept: whether results of a stack that is gone are there on purpose.

    Raises:
        AwsFailed: AWS cannot be asked.

    """
    status = status_of(account, stack)
    notes = [f"account {account.number}, region {account.region}: stack {stack!r} is {status}"]
    problems: list[str] = []
    if status in WHOLE:
        notes += _of_whole(account, stack)
    elif status != ABSENT:
        costs = "" if status == UNBORN else ", and costs what is there of it"
        problems.append(f"stack {stack!r} is {status}{costs}: {cure_of(account, stack, status)}")
    else:
        for name in result_buckets(account, stack):
            (notes if kept else problems).append(
                f"bucket {name} holds results of a stack that is gone: "
                "`poolbench destroy --results delete` removes it, results and all"
            )
        if status_of(account, ROLE.format(stack)) != ABSENT:
            problems.append(f"stack {ROLE.format(stack)!r} (a role) is left: `poolbench destroy` removes it")
    problems += [f"database snapshot {name} is left: delete it in RDS" for name in _snapshots(account, stack)]
    return Inventory(notes=tuple(notes), problems=tuple(problems))


def _of_whole(account: Account, stack: str) -> Iterator[str]:
    deployed = find(account, stack)
    size = StackSize.of(len(deployed.lanes), deployed.parameters)
    try:
        prices = Prices.of(account.region)
        yield f"it costs {total(hourly(size, prices)):.3f} USD an hour, by prices of {prices.noted}"
    except NoPrice as error:
        yield f"what it costs is not known: {error}"
    yield f"it deletes itself at {deployed.parameters.get('DeleteAt', 'no time')} UTC"
    yield f"{len(deployed.lanes)} lanes, idle client timeout {deployed.idle_client_timeout_s:g} s"
    yield f"results in {deployed.store}"
    for campaign, started in running(account, deployed).items():
        yield f"campaign {campaign} is running: {started.arn}"


def result_buckets(account: Account, stack: str) -> list[str]:
    """Buckets that CloudFormation made for a stack's results; they outlive it.

    Of this region alone: a stack of the same name in another one may be up, and needs its own.
    """
    with explained("list buckets"):
        pages = (
            account.client("s3")
            .get_paginator("list_buckets")
            .paginate(Prefix=f"{stack}-results-", BucketRegion=account.region)
        )
        return sorted(bucket["Name"] for page in pages for bucket in page["Buckets"])


def _snapshots(account: Account, stack: str) -> list[str]:
    with explained("list database snapshots"):
        pages = account.client("rds").get_paginator("describe_db_snapshots").paginate(SnapshotType="manual")
        found = [snapshot["DBSnapshotIdentifier"] for page in pages for snapshot in page["DBSnapshots"]]
    return sorted(name for name in found if name.startswith(f"{stack}-"))
