"""A deployed stack: is it there and whole, and where are its parts?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from botocore.exceptions import ClientError

from poolbench.aws.account import Account, AwsFailed, explained
from poolbench.model.header import TargetFacts

STACK = "poolbench"
OTHER_LANES = {"init": "InitLaneFunction", "on-demand": "OnDemandFunction"}  # name -> output
WHOLE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
ABSENT = "ABSENT"
# Nothing was ever created: an attempt failed before that, and the next one begins where it ended.
UNBORN = "REVIEW_IN_PROGRESS"
_FAILED = ("CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED")


class NotDeployed(AwsFailed):
    """The stack does not exist, or it is not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A stack that is whole. Functions are `name:alias`."""

    stack: str
    region: str
    store: str
    lanes: tuple[str, ...]  # that campaigns run on: the stack's, unless another one was asked for
    others: Mapping[str, str]  # by their names
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

    def on(self, lane: str) -> Self:
        """The same, for a campaign on one of the other lanes."""
        return replace(self, lanes=(self.others[lane],))

    def describe(self, driver: str) -> TargetFacts:
        """Tell a reader of results what matters; `driver` says who waits for the gaps."""
        left_out = ("DeleteAt", "BudgetEmail", "BudgetUsd", "WithGlue")
        settings = {name: value for name, value in self.parameters.items() if name not in left_out}
        return TargetFacts(
            kind="aws",
            region=self.region,
            stack=self.stack,
            driver=driver,
            proxy_name=self.proxy,
            lanes=self.lanes,
            functions=self.functions,
            parameters=settings,
        )


def find(account: Account, stack: str = STACK) -> Deployed:
    """Read the outputs and parameters of a stack.

    Raises:
        NotDeployed: it is not there, not finished, half created, or of another version.
        AwsFailed: AWS cannot be asked.

    """
    found = _describe(account, stack)
    if found is None:
        raise NotDeployed(
            f"no stack {stack!r} in {account.region}: `make aws-up` deploys it; "
            "another one is named with --stack and --region"
        )
    status = found["StackStatus"]
    if status not in WHOLE:
        raise NotDeployed(
            f"stack {stack!r} in {account.region} is {status}: {cure_of(account, stack, status)}"
        )
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", ())}
    try:
        return Deployed(
            stack=stack,
            region=account.region,
            store=outputs["ResultsStore"],
            lanes=tuple(outputs["LaneFunctions"].split(",")),
            others={name: outputs[output] for name, output in OTHER_LANES.items()},
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


def status_of(account: Account, stack: str) -> str:
    """State of the stack as CloudFormation calls it; `ABSENT` if it does not exist."""
    found = _describe(account, stack)
    return ABSENT if found is None else str(found["StackStatus"])


def _describe(account: Account, stack: str) -> dict[str, Any] | None:
    with explained(f"read stack {stack}"):
        try:
            found: dict[str, Any] = account.client("cloudformation").describe_stacks(StackName=stack)[
                "Stacks"
            ][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise
    return found


def cure_of(account: Account, stack: str, status: str) -> str:
    """What to do about a stack that is not whole: its first failure, all others having failed for that."""
    if status == UNBORN:
        return "nothing was created; `make aws-up` tries again, `make aws-down` removes the attempt"
    if status.endswith("_IN_PROGRESS"):
        return "wait until CloudFormation is done with it"
    with explained(f"read the events of stack {stack}"):
        pages = (
            account.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
        )
        events = [event for page in pages for event in page["StackEvents"]]  # newest first
    failed = [event for event in events if event.get("ResourceStatus") in _FAILED]
    why = "CloudFormation does not say why"
    if failed:
        reason = failed[-1].get("ResourceStatusReason", "no reason given")
        why = f"{failed[-1]['LogicalResourceId']} failed ({reason})"
    return f"{why}; remove it with `make aws-down RESULTS=keep`, then `make aws-up`"
