"""Whether a campaign fits the deployed stack and the quotas of Step Functions; asked before it starts."""

import datetime
import math
from collections.abc import Iterator, Sequence

from poolbench.aws.deployed import Deployed
from poolbench.aws.lane_plan import planned_s
from poolbench.campaign import BadCampaign
from poolbench.campaign.plan import Campaign
from poolbench.campaign.schedule import Lane
from poolbench.function.drivers import DEFAULT
from poolbench.function.strategies import get
from poolbench.model.failures import MODES

SLICE_S = 50  # of the sampler, whose function ends after 60
HISTORY_EVENTS = 25_000  # quota of Step Functions for one execution
_PLANNED = 0.8  # of it; turns that were throttled, which ask again each second, need the rest
# States entered and exited; tasks scheduled, started and succeeded.
_EVENTS_OF_A_TURN, _EVENTS_OF_A_SLICE = 9, 14


def check(campaign: Campaign, deployed: Deployed) -> None:
    """Refuse a campaign that the stack cannot run as it is set up.

    Raises:
        BadCampaign: it says all that does not fit, and what to change.

    """
    problems = list(_misfits(campaign, deployed))
    if problems:
        raise BadCampaign(f"{campaign.name}: {'; '.join(problems)}")


def _misfits(campaign: Campaign, deployed: Deployed) -> Iterator[str]:
    yield from _misfits_of_times(campaign, deployed)
    yield from _misfits_of_functions(campaign, deployed)
    yield from _misfits_of_settings(campaign, deployed)
    yield from _misfits_of_factors(campaign, deployed)


def _misfits_of_times(campaign: Campaign, deployed: Deployed) -> Iterator[str]:
    idle_s, there_s = campaign.idle_client_timeout_s, deployed.idle_client_timeout_s
    if idle_s != there_s:
        yield (
            f"idle_client_timeout_s is {idle_s:g}, and the stack's proxy has {there_s:g}: "
            f"`make aws-up IDLE_CLIENT_TIMEOUT={idle_s:g}` changes it in place"
        )
    if campaign.function_timeout_s > deployed.function_timeout_s:
        yield (
            f"function_timeout_s is {campaign.function_timeout_s}, and the stack's functions have "
            f"{deployed.function_timeout_s:g}: deploy it with a larger FunctionTimeout"
        )
    if "wait_timeout" in campaign.factors.failures:
        wait_s = float(deployed.parameters["WaitTimeout"])
        if wait_s != idle_s:
            yield f"idle_client_timeout_s is {idle_s:g}, and the stack's database has WaitTimeout={wait_s:g}"


def _misfits_of_functions(campaign: Campaign, deployed: Deployed) -> Iterator[str]:
    if campaign.repetition.lanes > len(deployed.lanes):
        yield (
            f"repetition.lanes is {campaign.repetition.lanes}, and there "
            + (f"are {len(deployed.lanes)}" if len(deployed.lanes) > 1 else "is one such lane")
        )
    fleet = int(deployed.parameters["FleetConcurrency"])
    if campaign.fleet > fleet:
        yield (
            f"factors.environments: {campaign.fleet} at once, and the stack's fleet has {fleet}: "
            f"`make aws-up DEPLOY='--parameter FleetConcurrency={campaign.fleet}'`"
        )


def _misfits_of_settings(campaign: Campaign, deployed: Deployed) -> Iterator[str]:
    wanted = _settings(campaign)
    there = {name: float(deployed.parameters[name]) for name in wanted}
    wrong = {name: value for name, value in wanted.items() if there[name] != value}
    if wrong:
        found = ", ".join(f"{name}={there[name]:g}" for name in wrong)
        options = " ".join(f"--parameter {name}={value:g}" for name, value in wrong.items())
        command = f"make aws-up IDLE_CLIENT_TIMEOUT={campaign.idle_client_timeout_s:g} DEPLOY='{options}'"
        yield f"it is for other settings than the stack's {found}: `{command}` changes them in place"


def _misfits_of_factors(campaign: Campaign, deployed: Deployed) -> Iterator[str]:
    factors = campaign.factors
    if campaign.added_rtt_s:
        yield "added_rtt_s is for the lab: on AWS the network has its own"
    if set(factors.drivers) != {DEFAULT}:
        yield f"factors.drivers: the deployed bundle has {DEFAULT} alone"
    if campaign.sqlalchemy:
        yield "sqlalchemy chooses a series in the lab; leave it out: on AWS it is the bundle's"
    if not_there := [name for name in factors.failures if not MODES[name].on_aws]:
        yield f"factors.failures: {', '.join(not_there)} can be had in the lab alone"
    tokens = [name for name in factors.strategies if get(name).token]
    if tokens and deployed.parameters["WithTokens"] == "false":
        yield (
            f"factors.strategies: {', '.join(tokens)} come with tokens, and the stack's proxy takes none: "
            "`make aws-up DEPLOY='--parameter WithTokens=true'`"
        )


def _settings(campaign: Campaign) -> dict[str, float]:
    """Parameters of the stack that must be what the campaign says; its idle client timeout apart."""
    settings = {"ConnectionBorrowTimeout": campaign.connection_borrow_timeout_s}
    if campaign.burst:
        settings |= {
            "MaxConnections": campaign.burst.max_connections,
            "MaxConnectionsPercent": campaign.burst.max_connections_percent,
            "MaxIdleConnectionsPercent": 0,  # each burst is to find the proxy without database connections
        }
    return settings


def check_history(lanes: Sequence[Lane]) -> None:
    """Refuse lanes whose executions would run into the quota of events.

    Raises:
        BadCampaign: the campaign is too long for one execution.

    """
    turns = max((sum(step.wait_s > 0 for step in lane.steps) for lane in lanes), default=0)
    events = max(turns * _EVENTS_OF_A_TURN, planned_s(lanes) / SLICE_S * _EVENTS_OF_A_SLICE)
    if events > HISTORY_EVENTS * _PLANNED:
        raise BadCampaign(
            f"an execution of {events:.0f} events and more, and Step Functions ends one at {HISTORY_EVENTS}: "
            "take fewer rounds, or more lanes"
        )


def check_time(deployed: Deployed, seconds: float, now: datetime.datetime) -> None:
    """Refuse a campaign that would still be measuring when the stack deletes itself.

    Raises:
        BadCampaign: the stack does not live long enough.

    """
    end = datetime.datetime.fromisoformat(deployed.parameters["DeleteAt"]).replace(tzinfo=datetime.UTC)
    needed_h, left_h = seconds / 3600, (end - now).total_seconds() / 3600
    if left_h < needed_h:
        raise BadCampaign(
            f"it takes {needed_h:.1f} h, and the stack deletes itself in {left_h:.1f} h: "
            f"`make aws-up DEPLOY='--hours {math.ceil(needed_h) + 2}'` puts that off"
        )
