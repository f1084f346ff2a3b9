"""Removes a stack, and its results only when that was said."""

from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import ClientError, WaiterError

from poolbench.aws.account import Account, AwsFailed, explained
from poolbench.aws.deployed import ABSENT, cure_of, status_of
from poolbench.aws.inventory import ROLE, result_buckets

_POLL_S, _POLLS = 15, 160  # deleting the network interfaces of functions alone can take 20 minutes


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
