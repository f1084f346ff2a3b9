"""What a stack costs an hour, and a campaign in all, by prices.toml: before anything is created."""

import datetime
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Self

from poolbench.aws.fit import SLICE_S
from poolbench.aws.lane_plan import TURN_S, planned_s
from poolbench.campaign.schedule import Lane
from poolbench.typed import unknown

MONTH_H = 730  # hours, as AWS counts a month
# Assumptions, generous ones; what is assumed for the conductor's turn is TURN_S.
SETUP_H = 0.6  # to create the stack and to remove it
LANE_S = 0.1  # billed duration of an invocation
_TRANSITIONS_OF_A_TURN, _TRANSITIONS_OF_A_SLICE = 3, 4
_METRICS = 110  # that CloudWatch is asked for after a campaign


class TooExpensive(Exception):
    """A campaign would cost more than it may; the message says how much."""


class NoPrice(Exception):
    """The table lacks a region or an instance class; the message says which it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Of one region, in US dollars; the names are those of prices.toml."""

    noted: datetime.date
    lambda_request: float
    lambda_gb_s: float
    provisioned_gb_s: float
    provisioned_duration_gb_s: float
    state_transition: float
    proxy_vcpu_h: float
    extended_support_vcpu_h: float
    endpoint_h: float
    secret_month: float
    storage_gb_month: float
    s3_put: float
    s3_get: float
    metric_request: float
    instances: Mapping[str, float]  # class -> per hour
    vcpus: Mapping[str, int]

    @classmethod
    def of(cls, region: str) -> Self:
        """Read the table.

        Raises:
            NoPrice: the region is not in it.

        """
        table = tomllib.loads((resources.files("poolbench.aws") / "prices.toml").read_text(encoding="utf-8"))
        if region not in table["regions"]:
            raise NoPrice(
                f"no prices of {region}, only of {', '.join(table['regions'])}: add its section to "
                "bench/poolbench/aws/prices.toml"
            )
        return cls(noted=table["noted"], vcpus=table["vcpus"], **table["regions"][region])

    def instance_h(self, name: str) -> float:
        """Price of an instance class per hour.

        Raises:
            NoPrice: the class is not in the table.

        """
        try:
            return self.instances[name]
        except KeyError:
            raise NoPrice(
                f"prices: {unknown(name, self.instances)}; add it to bench/poolbench/aws/prices.toml"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSize:
    """What of a stack is billed by the hour; the defaults are the template's."""

    lanes: int = 12
    fleet: int = 10  # environments of the concurrency experiment
    others: int = 2  # provisioned: the lane that connects at init, the sampler
    memory_mb: int = 512
    instance: str = "db.t4g.medium"
    extended_support: bool = False  # of MySQL 8.0, whose standard support at RDS ended on 2026-07-31
    storage_gb: int = 20
    endpoints: int = 1
    secrets: int = 3

    @classmethod
    def of(cls, lanes: int, parameters: Mapping[str, str]) -> Self:
        """Size of a deployed stack."""
        return cls(
            lanes=lanes,
            fleet=int(parameters["FleetConcurrency"]),
            memory_mb=int(parameters["MemorySize"]),
            instance=parameters["DatabaseClass"],
            extended_support=parameters["EngineVersion"].startswith("8.0"),
        )

    @property
    def memory_gb(self) -> float:
        """Of each function."""
        return self.memory_mb / 1024


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the bill."""

    what: str
    quantity: float
    unit: str
    usd: float


def total(items: Iterable[Item]) -> float:
    """Sum, in US dollars."""
    return sum(item.usd for item in items)


def hourly(size: StackSize, prices: Prices) -> tuple[Item, ...]:
    """What the stack costs an hour, whether a campaign runs or not.

    Raises:
        NoPrice: the table lacks the instance class.

    """
    environments = size.lanes + size.fleet + size.others
    gb_s = environments * size.memory_gb * 3600
    vcpus = max(2, prices.vcpus[size.instance]) if size.instance in prices.instances else 2
    return (
        Item(f"RDS for MySQL, {size.instance}", 1, "h", prices.instance_h(size.instance)),
        Item(
            "its storage, gp3", size.storage_gb, "GB-h", size.storage_gb * prices.storage_gb_month / MONTH_H
        ),
        *(
            [Item("RDS Extended Support", vcpus, "vCPU-h", vcpus * prices.extended_support_vcpu_h)]
            if size.extended_support
            else []
        ),
        Item("RDS Proxy", vcpus, "vCPU-h", vcpus * prices.proxy_vcpu_h),
        Item(f"provisioned concurrency of {environments}", gb_s, "GB-s", gb_s * prices.provisioned_gb_s),
        Item("interface endpoint", size.endpoints, "h", size.endpoints * prices.endpoint_h),
        Item("secrets", size.secrets, "secret-h", size.secrets * prices.secret_month / MONTH_H),
        Item("NAT gateway", 0, "h", 0.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What of a campaign is billed by use."""

    seconds: float  # that it takes
    invocations: int  # of lanes or fleet
    running_s: float  # billed for those, and for the sampler
    turns_s: float = 0.0  # billed for the conductor
    calls: int = 0  # of it
    transitions: float = 0.0  # of the state machine
    puts: float  # and lists

    @classmethod
    def of_lanes(cls, lanes: Sequence[Lane]) -> Self:
        """Of a campaign whose gaps the state machine waits."""
        seconds = planned_s(lanes)
        slices = seconds / SLICE_S
        steps = sum(len(lane.steps) for lane in lanes)
        cells = len({step.cell.id for lane in lanes for step in lane.steps})
        calls = len(lanes) + sum(step.wait_s > 0 for lane in lanes for step in lane.steps)
        return cls(
            seconds=seconds,
            invocations=steps,
            running_s=steps * LANE_S + seconds,
            turns_s=steps * TURN_S,
            calls=calls,
            transitions=calls * _TRANSITIONS_OF_A_TURN + slices * _TRANSITIONS_OF_A_SLICE + 10,
            puts=2 * steps + cells + 2 * slices + len(lanes),  # rows, records; the sampling looks for its end
        )

    @classmethod
    def of_bursts(cls, seconds: float, environments: Sequence[int]) -> Self:
        """Of a campaign of bursts, as if its largest one took all of the time."""
        invocations = 2 * sum(environments)  # the burst, and clearing up after it
        return cls(
            seconds=seconds,
            invocations=invocations,
            running_s=seconds * (1 + max(environments, default=0)),
            puts=invocations + len(environments) + seconds / SLICE_S,
        )


def bill(usage: Usage, size: StackSize, prices: Prices) -> tuple[Item, ...]:
    """What a campaign costs: the stack for its duration, and what it uses.

    Raises:
        NoPrice: the table lacks the instance class.

    """
    hours = usage.seconds / 3600 + SETUP_H
    running_gb_s, turns_gb_s = usage.running_s * size.memory_gb, usage.turns_s * size.memory_gb
    requests = usage.invocations + usage.calls + usage.seconds / SLICE_S
    stack = (Item(one.what, one.quantity * hours, one.unit, one.usd * hours) for one in hourly(size, prices))
    return (
        *stack,
        Item("requests of Lambda", requests, "requests", requests * prices.lambda_request),
        Item(
            "Lambda, provisioned",
            running_gb_s,
            "GB-s",
            running_gb_s * prices.provisioned_duration_gb_s,
        ),
        Item("Lambda, the conductor", turns_gb_s, "GB-s", turns_gb_s * prices.lambda_gb_s),
        Item("Step Functions", usage.transitions, "transitions", usage.transitions * prices.state_transition),
        Item("S3, written and listed", usage.puts, "requests", usage.puts * prices.s3_put),
        Item("S3, read", 2 * usage.puts, "requests", 2 * usage.puts * prices.s3_get),
        Item("CloudWatch", _METRICS, "metrics", _METRICS * prices.metric_request),
    )
