"""The benchmark's functions, as the lab's Lambda service is to run them."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from poolbench.campaign.target import Endpoint
from poolbench.function.drivers import DRIVERS
from poolbench.lab import libraries
from poolbench.lab.aws import FunctionConfig
from poolbench.lab.stack import DatabaseLogin, Endpoints

ALIAS = "live"
LANE, FLEET, SAMPLER_FUNCTION = "poolbench-lane-{:02d}", "poolbench-fleet", "poolbench-sampler"


def is_installed(driver: str) -> bool:
    """Whether the lab's functions can import a driver."""
    return DRIVERS[driver].installed or (driver == libraries.MYSQLCLIENT and bool(libraries.mysqlclient()))


def how_to_install(driver: str) -> str:
    """Command that installs a driver."""
    if driver == libraries.MYSQLCLIENT:
        return "`poolbench lab install-mysqlclient` compiles it"
    return f"pip install {DRIVERS[driver].package}"


def library_variables(sqlalchemy: str = "") -> Mapping[str, str]:
    """Variables with which functions find a user's modules, and libraries beside the installed ones.

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
    lanes: int,
    timeout_s: float,
    endpoints: Sequence[Endpoint],
    places: Endpoints,
    sqlalchemy: str = "",
    *,
    fleet: int = 0,
) -> Sequence[FunctionConfig]:
    """Make a function for each lane, whose one environment never gets a second beside it, and the sampler.

    Args:
        lanes: how many.
        timeout_s: of each invocation.
        endpoints: that functions can connect to.
        places: where the lab's parts are, and who may log in.
        sqlalchemy: series that they run on; the installed one if empty.
        fleet: environments of one more function, for bursts; 0: it is not made.

    """
    where = {
        **library_variables(sqlalchemy),
        **{f"POOLBENCH_{endpoint.name.upper()}_ENDPOINT": endpoint.address for endpoint in endpoints},
        "POOLBENCH_PROXY_CONTROL": places.proxy_control_url,
    }
    trust = {"POOLBENCH_TLS_CA": str(places.authorities)} if places.authorities else {}
    if not places.check_hostname:
        trust["POOLBENCH_TLS_CHECK_HOSTNAME"] = "false"
    lane_environment = {**where, "POOLBENCH_SECRET": _secret(places.application), **trust}
    if places.tokens:
        lane_environment["POOLBENCH_TOKENS"] = json.dumps(
            {"user": places.token_user, **asdict(places.tokens)}
        )
    fleets = [_function(FLEET, "handler", lane_environment, timeout_s, environments=fleet)] if fleet else []
    sampler_environment = {
        **where,
        "POOLBENCH_SECRET": _secret(places.sampler),
        **(trust if places.database_wants_tls else {}),
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
