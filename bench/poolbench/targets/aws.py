"""A stack that is deployed on AWS as a campaign's target."""

from collections.abc import Collection
from dataclasses import dataclass

from poolbench.aws.deployed import Deployed
from poolbench.campaign.target import FaultInjector
from poolbench.model.failures import FailureMode
from poolbench.model.header import TargetFacts


class AwsFaults:
    """On AWS failures come by themselves or not at all."""

    def refuses(self, mode: FailureMode) -> str | None:
        """Why it cannot be had."""
        return None if mode.on_aws else "can be had in the lab alone"

    def begin(self, failure: str) -> None:
        """Nothing to do: such failures come at the end of a gap by themselves."""

    def end(self, failure: str) -> None:
        """Nothing to do either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsTarget:
    """The functions of a deployed stack."""

    lanes: tuple[str, ...]
    fleet: str
    sampler: str
    facts: TargetFacts
    faults: FaultInjector = AwsFaults()

    @classmethod
    def of(cls, deployed: Deployed, driver: str) -> "AwsTarget":
        """Make it of a stack; `driver` says who waits for the gaps: `stepfunctions` or `client`."""
        return cls(
            lanes=deployed.lanes,
            fleet=deployed.fleet,
            sampler=deployed.sampler,
            facts=deployed.describe(driver),
        )

    def other_labs(self) -> Collection[int]:
        """None: it does not run on this machine."""
        return ()
