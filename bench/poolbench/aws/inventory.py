"""What of poolbench is in an account: its stack, its cost, leftovers; and the removal of all that."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError, WaiterError

from poolbench.aws.account import Account, AwsFailed, explained
from poolbench.aws.cost import NoPrice, Prices, StackSize, hourly, total
from poolbench.aws.deployed import ABSENT, UNBORN, WHOLE, cure_of, find, status_of
from poolbench.aws.workflow import running

_POLL_S, _POLLS = 15, 160  # deleting the network interfaces of functions alone can take 20 minutes
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


@dataclass(frozen=True, slots=True)
class Held:
    """What a bucket of results holds."""

    bucket: str
    objects: int
    bytes: int


def held(account: Account, stack: str) -> tuple[Held, ...]:
    """Look at the results of a stack, whether it is still there or not.

    Raises:
        AwsFailed: AWS cannot be asked.

    """
    client, found = account.client("s3"), []
    for bucket in result_buckets(account, stack):
        with explained(f"list bucket {bucket}"):
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            sizes = [entry["Size"] for page in pages for entry in page.get("Contents", ())]
        found.append(Held(bucket, len(sizes), sum(sizes)))
    return tuple(found)


def delete_stack(account: Account, stack: str, say: Callable[[str], None]) -> None:
    """Delete a stack, then that of the role it was deployed with, and wait until they are gone.

    Raises:
        AwsFailed: it could not be deleted whole; the message says what stayed, and why.

    """
    client = account.client("cloudformation")
    for name in (stack, ROLE.format(stack)):
        if status_of(account, name) == ABSENT:
            continue
        say(f"deleting stack {name}")
        with explained(f"delete stack {name}"):
            client.delete_stack(StackName=name)
            try:
                client.get_waiter("stack_delete_complete").wait(
                    StackName=name, WaiterConfig={"Delay": _POLL_S, "MaxAttempts": _POLLS}
                )
            except WaiterError as error:
                status = status_of(account, name)
                raise AwsFailed(
                    f"stack {name!r} is {status}: {cure_of(account, name, status)}; it still costs"
                ) from error


def delete_results(account: Account, bucket: str) -> None:
    """Empty a bucket, every version of every object, and remove it.

    Raises:
        AwsFailed: it could not be done.

    """
    client = account.client("s3")
    with explained(f"empty bucket {bucket}"):
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
            versions = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions]
            if objects:
                answer = client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
                _raise_first(answer.get("Errors", ()), bucket)
        try:
            client.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != "BucketNotEmpty":
                raise
            raise AwsFailed(
                f"bucket {bucket} is being written while it is emptied: stop the campaign, then ask again"
            ) from error


def _raise_first(errors: object, bucket: str) -> None:
    for error in errors if isinstance(errors, list) else ():
        raise AwsFailed(f"cannot empty bucket {bucket}: {error['Key']}: {error['Code']}: {error['Message']}")
