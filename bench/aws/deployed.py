"""A deployed stack: is it there and whole, and where are its parts?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from bench.aws.account import Account, AwsFailed, explained

STACK = "poolbench"
_WHOLE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
_FAILED = ("CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED")


class NotDeployed(AwsFailed):
    """There is no such stack, or it is not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A stack that is whole. Functions are `name:alias`."""

    stack: str
    region: str
    store: str
    lanes: tuple[str, ...]
    sampler: str
    conductor: str
    fleet: str
    state_machine: str  # ARN
    proxy: str
    idle_client_timeout_s: float
    functions: tuple[str, ...]  # every one, without alias
    parameters: Mapping[str, str]

    @property
    def function_timeout_s(self) -> float:
        """Timeout of a lane's function."""
        return float(self.parameters["FunctionTimeout"])

    def describe(self) -> dict[str, Any]:
        """What a reader of results must know of it; goes into the header."""
        left_out = ("DeleteAt", "BudgetEmail", "BudgetUsd", "WithGlue")
        settings = {name: value for name, value in self.parameters.items() if name not in left_out}
        return {
            "kind": "aws",
            "region": self.region,
            "stack": self.stack,
            "proxy": self.proxy,
            "functions": list(self.functions),
            "parameters": settings,
        }


def find(account: Account, stack: str = STACK) -> Deployed:
    """Read the outputs and parameters of a stack.

    Raises:
        NotDeployed: it is not there, not finished, half created, or of another version.
        AwsFailed: AWS cannot be asked.

    """
    client = account.client("cloudformation")
    with explained(f"read stack {stack}"):
        try:
            found = client.describe_stacks(StackName=stack)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in error.response["Error"].get("Message", ""):
                raise
            raise NotDeployed(
                f"no stack {stack!r} in {account.region}: `make aws-up` deploys it; "
                "another one is named with --stack and --region"
            ) from None
        status = found["StackStatus"]
        if status not in _WHOLE:
            raise NotDeployed(
                f"stack {stack!r} in {account.region} is {status}: {_cure(client, stack, status)}"
            )
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", ())}
    try:
        return Deployed(
            stack=stack,
            region=account.region,
            store=outputs["ResultsStore"],
            lanes=tuple(outputs["LaneFunctions"].split(",")),
            sampler=outputs["SamplerFunction"],
            conductor=outputs["ConductorFunction"],
            fleet=outputs["FleetFunction"],
            state_machine=outputs["StateMachineArn"],
            proxy=outputs["ProxyName"],
            idle_client_timeout_s=float(outputs["IdleClientTimeout"]),
            functions=tuple(outputs["FunctionNames"].split(",")),
            parameters=parameters,
        )
    except KeyError as missing:
        raise NotDeployed(
            f"stack {stack!r} has no output {missing}: another version of poolbench deployed it; "
            "`make aws-up` brings it up to date"
        ) from None


def _cure(client: Any, stack: str, status: str) -> str:
    """What to do about a stack that is not whole, with the reason that CloudFormation gives."""
    if status.endswith("_IN_PROGRESS"):
        return "wait until CloudFormation is done with it"
    return f"{first_failure(client, stack)}; remove it with `make aws-down`, then `make aws-up`"


def first_failure(client: Any, stack: str) -> str:
    """Name the resource that failed first, all others having failed for it, and why."""
    events = client.describe_stack_events(StackName=stack)["StackEvents"]  # newest first
    failed = [event for event in events if event.get("ResourceStatus") in _FAILED]
    if not failed:
        return "CloudFormation does not say why"
    first = failed[-1]
    return f"{first['LogicalResourceId']} failed: {first.get('ResourceStatusReason', 'no reason given')}"
