"""The lab with the benchmark's functions in it, as a target for campaigns."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.campaign.plan import USUAL, Campaign, CampaignFile
from bench.campaign.session import Target
from bench.campaign.strict import BadCampaign, unknown
from bench.lab.aws import FunctionConfig
from bench.lab.proxy import Failure
from bench.lab.proxy.rtt import LONGEST_S, SHORTEST_S
from bench.lab.stack import APPLICATION, SAMPLER, SCHEMA, STANDING, Endpoints, Stack

ALIAS = "live"
LANE, SAMPLER_FUNCTION = "poolbench-lane-{:02d}", "poolbench-sampler"


def lanes_of(campaign: Campaign) -> int:
    """How many lanes a campaign can use."""
    return min(campaign.repetition.lanes, len(campaign.cells()))


def load(file: str, own: Sequence[str] = ()) -> CampaignFile:
    """Read a campaign file, add strategies of somebody's own, and check it against what the lab can do.

    Modules in the current directory can be named, here and in the functions.

    Raises:
        BadCampaign: see the message.

    """
    sys.path.insert(0, str(Path.cwd()))
    loaded = CampaignFile.load(file).with_strategies(own)
    for failure in loaded.campaign.factors.failures:
        if failure not in STANDING:
            raise BadCampaign(f"{file}: factors.failures: {unknown(failure, STANDING)}")
    rtt_s = loaded.campaign.added_rtt_s
    if rtt_s and not SHORTEST_S <= rtt_s <= LONGEST_S:
        raise BadCampaign(f"{file}: added_rtt_s is {rtt_s}, not 0 and not {SHORTEST_S} to {LONGEST_S}")
    return loaded


def make_functions(lanes: int, timeout_s: float, endpoints: Endpoints) -> Sequence[FunctionConfig]:
    """One function for each lane, whose one environment never gets a second beside it, and the sampler."""
    where = {
        "POOLBENCH_PROXY_ENDPOINT": endpoints.proxies[Failure(USUAL)],
        **{f"POOLBENCH_PROXY_{name.upper()}_ENDPOINT": at for name, at in endpoints.proxies.items()},
        "POOLBENCH_DATABASE_ENDPOINT": endpoints.database,
        "POOLBENCH_PROXY_CONTROL": endpoints.proxy_control_url,
    }
    lane_environment = {**where, "POOLBENCH_SECRET": _secret(APPLICATION, endpoints.application_password)}
    lane_environment["PYTHONPATH"] = str(Path.cwd())  # for engines of somebody's own
    sampler_environment = {**where, "POOLBENCH_SECRET": _secret(SAMPLER, endpoints.sampler_password)}
    return [
        *(_function(LANE.format(number), "handler", lane_environment, timeout_s) for number in range(lanes)),
        _function(SAMPLER_FUNCTION, "sampler", sampler_environment, 60),
    ]


def _function(name: str, module: str, environment: Mapping[str, str], timeout_s: float) -> FunctionConfig:
    return FunctionConfig(
        name=name,
        handler=f"bench.function.{module}.handler",
        environment=environment,
        timeout_s=timeout_s,
        memory_mb=512,
        aliases=(ALIAS,),
        provisioned_concurrency=1,
        reserved_concurrency=1,
    )


def _secret(user: str, password: str) -> str:
    return json.dumps({"username": user, "password": password, "dbname": SCHEMA})


def target_of(stack: Stack, lanes: int) -> Target:
    """A running lab as the campaign sees it."""
    return Target(
        lanes=tuple(f"{LANE.format(number)}:{ALIAS}" for number in range(lanes)),
        sampler=f"{SAMPLER_FUNCTION}:{ALIAS}",
        description=stack.describe(),
    )


@contextlib.contextmanager
def variables_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the block: this is how boto3 is pointed at the lab."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
