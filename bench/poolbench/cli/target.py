"""The lab with the benchmark's functions in it, as a target for campaigns."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from poolbench.campaign import BadCampaign
from poolbench.campaign.file import CampaignFile
from poolbench.campaign.plan import Campaign
from poolbench.campaign.session import Target
from poolbench.cli.switches import Switches, proxy_settings
from poolbench.function.drivers import DRIVERS
from poolbench.lab import libraries
from poolbench.lab.aws import FunctionConfig
from poolbench.lab.leftovers import running_labs
from poolbench.lab.platform import available_memory_mb
from poolbench.lab.proxy.relay import LONGEST_S, SHORTEST_S
from poolbench.lab.stack import USUAL, DatabaseLogin, Endpoints, Stack
from poolbench.typed import unknown

ALIAS = "live"
LANE, FLEET, SAMPLER_FUNCTION = "poolbench-lane-{:02d}", "poolbench-fleet", "poolbench-sampler"
ENVIRONMENT_MB = 60  # resident, of one execution environment


def lanes_of(campaign: Campaign) -> int:
    """How many lanes a campaign can use; a burst has a fleet instead."""
    return 0 if campaign.burst else min(campaign.repetition.lanes, len(campaign.cells()))


def load(file: str, own: Sequence[str] = (), failures: Sequence[str] = ()) -> CampaignFile:
    """Read a campaign file, change it as the command line says, and check it against what the lab can do.

    Modules in the current directory can be named, here and in the functions.

    Raises:
        BadCampaign: see the message.

    """
    sys.path.insert(0, str(Path.cwd()))
    loaded = CampaignFile.load(file).with_strategies(own).with_failures(failures)
    for name in loaded.campaign.factors.drivers:
        if not is_installed(name):
            raise BadCampaign(f"{file}: factors.drivers: {name} is not installed: {how_to_install(name)}")
    series = loaded.campaign.sqlalchemy
    if series and series not in libraries.SQLALCHEMY:
        raise BadCampaign(f"{file}: sqlalchemy: {unknown(series, libraries.SQLALCHEMY)}")
    proxy_settings(loaded.campaign)  # raises what the proxy would, before anything is started
    rtt_s = loaded.campaign.added_rtt_s
    if rtt_s and not SHORTEST_S <= rtt_s <= LONGEST_S:
        raise BadCampaign(f"{file}: added_rtt_s is {rtt_s}, not 0 and not {SHORTEST_S} to {LONGEST_S}")
    return loaded


def check_memory(campaign: Campaign) -> None:
    """Refuse more environments than this machine has memory for.

    Raises:
        BadCampaign: it says how many there is room for.

    """
    there_mb, needed_mb = available_memory_mb(), ENVIRONMENT_MB * campaign.fleet
    if there_mb is not None and needed_mb > there_mb:
        raise BadCampaign(
            f"factors.environments: {campaign.fleet} at once need about {needed_mb} MB, and this machine has "
            f"{there_mb} MB left: use at most {there_mb // ENVIRONMENT_MB}"
        )


def is_installed(driver: str) -> bool:
    """Whether the lab's functions can import a driver."""
    return DRIVERS[driver].installed or (driver == libraries.MYSQLCLIENT and bool(libraries.mysqlclient()))


def how_to_install(driver: str) -> str:
    """What to do about one that they cannot."""
    if driver == libraries.MYSQLCLIENT:
        return "`poolbench lab install-mysqlclient` compiles it"
    return f"pip install {DRIVERS[driver].package}"


def library_variables(sqlalchemy: str = "") -> Mapping[str, str]:
    """Variables with which functions find modules of somebody's own, and libraries beside the installed ones.

    Raises:
        LibraryUnavailable: that SQLAlchemy cannot be had.

    """
    paths = [Path.cwd(), *filter(None, [libraries.mysqlclient()])]
    if sqlalchemy and not metadata.version("sqlalchemy").startswith(f"{sqlalchemy}."):
        paths.append(libraries.sqlalchemy(sqlalchemy))
    plugins = libraries.mysqlclient_plugins()
    return {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        # The runtime client brings it anyway, but later; and once an exception of greenlet's has used its
        # thread storage there, mysql-connector's extension, which wants it in a fixed place, is refused.
        "LD_PRELOAD": "libstdc++.so.6",
        **({"MARIADB_PLUGIN_DIR": str(plugins)} if plugins else {}),
    }


def make_functions(
    lanes: int, timeout_s: float, endpoints: Endpoints, sqlalchemy: str = "", *, fleet: int = 0
) -> Sequence[FunctionConfig]:
    """One function for each lane, whose one environment never gets a second beside it, and the sampler.

    And one with `fleet` environments, if that is more than none.
    """
    where = {
        **library_variables(sqlalchemy),
        "POOLBENCH_PROXY_ENDPOINT": endpoints.proxies[USUAL],
        **{f"POOLBENCH_PROXY_{name.upper()}_ENDPOINT": at for name, at in endpoints.proxies.items()},
        "POOLBENCH_DATABASE_ENDPOINT": endpoints.database,
        "POOLBENCH_PROXY_CONTROL": endpoints.proxy_control_url,
    }
    lane_environment = {**where, "POOLBENCH_SECRET": _secret(endpoints.application)}
    if endpoints.tokens:
        lane_environment["POOLBENCH_TOKENS"] = json.dumps(
            {"user": endpoints.token_user, **asdict(endpoints.tokens)}
        )
    trust = {"POOLBENCH_TLS_CA": str(endpoints.authorities)} if endpoints.authorities else {}
    if not endpoints.check_hostname:
        trust["POOLBENCH_TLS_CHECK_HOSTNAME"] = "false"
    lane_environment |= trust
    fleets = [_function(FLEET, "handler", lane_environment, timeout_s, environments=fleet)] if fleet else []
    sampler_environment = {
        **where,
        "POOLBENCH_SECRET": _secret(endpoints.sampler),
        **(trust if endpoints.database_wants_tls else {}),
    }
    return [
        *(_function(LANE.format(number), "handler", lane_environment, timeout_s) for number in range(lanes)),
        *fleets,
        _function(SAMPLER_FUNCTION, "sampler", sampler_environment, 60),
    ]


def _function(
    name: str, module: str, environment: Mapping[str, str], timeout_s: float, *, environments: int = 1
) -> FunctionConfig:
    return FunctionConfig(
        name=name,
        handler=f"poolbench.function.{module}.handler",
        environment=environment,
        timeout_s=timeout_s,
        memory_mb=512,
        aliases=(ALIAS,),
        provisioned_concurrency=environments,
        reserved_concurrency=environments,
    )


def _secret(login: DatabaseLogin) -> str:
    return json.dumps({"username": login.user, "password": login.password, "dbname": login.schema})


def target_of(stack: Stack, lanes: int) -> Target:
    """A running lab as the campaign sees it."""
    return Target(
        lanes=tuple(f"{LANE.format(number)}:{ALIAS}" for number in range(lanes)),
        fleet=f"{FLEET}:{ALIAS}",
        sampler=f"{SAMPLER_FUNCTION}:{ALIAS}",
        description=stack.describe(),
        switch=Switches(stack),
        labs_beside=lambda: {*running_labs()} - {os.getpid()},
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
