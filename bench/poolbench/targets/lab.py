"""The lab as a campaign's target: everything is started for it, and is gone after it."""

import contextlib
import json
import os
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from poolbench.campaign import BadCampaign
from poolbench.campaign.plan import Campaign
from poolbench.campaign.target import Endpoint, FaultInjector, Limits
from poolbench.lab.aws import Freeze, FunctionConfig
from poolbench.lab.leftovers import running_labs
from poolbench.lab.platform import available_memory_mb
from poolbench.lab.proxy import ProxySettings
from poolbench.lab.stack import USUAL, DatabaseLogin, Endpoints, LabSpec, Stack, running_stack
from poolbench.model.header import TargetFacts
from poolbench.targets.faults import LabFaults, listeners_of, proxy_settings, server_options
from poolbench.targets.functions import ALIAS, FLEET, LANE, SAMPLER_FUNCTION, make_functions

ENVIRONMENT_MB = 60  # resident, of one execution environment


@dataclass(frozen=True, slots=True, kw_only=True)
class LabProxy:
    """One port of the lab's proxy."""

    name: str
    address: str
    limits: Limits = Limits()
    control_url: str = ""

    def metrics(self) -> Mapping[str, Any] | None:
        """Its counters under their CloudWatch names."""
        with urllib.request.urlopen(f"{self.control_url}/metrics", timeout=5) as answer:  # noqa: S310 (the lab's)
            found: Mapping[str, Any] = json.load(answer)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The database itself, past the proxy; the sampler counts its connections."""

    address: str
    name: str = "database"
    limits: Limits = Limits()

    def metrics(self) -> Mapping[str, Any] | None:
        """Nothing of its own."""
        return None


# Puts another proxy in the place of the lab's, before this database, for as long as its block runs.
ProxyMaker = Callable[[Database, DatabaseLogin], AbstractContextManager[Endpoint]]


def endpoints_of(places: Endpoints, settings: ProxySettings | None = None) -> list[Endpoint]:
    """Every endpoint of a running lab: the proxy's usual one, one for each failure mode, the database."""
    limits = Limits()
    if settings:
        limits = Limits(
            idle_client_timeout_s=settings.idle_client_timeout, client_lifetime_s=settings.client_lifetime
        )
    control = places.proxy_control_url
    named = {"proxy": places.proxies[USUAL]}
    named |= {f"proxy_{failure}": address for failure, address in places.proxies.items()}
    proxies = [
        LabProxy(name=name, address=address, limits=limits, control_url=control)
        for name, address in named.items()
    ]
    return [*proxies, Database(address=places.database)]


def lab_functions(lanes: int, timeout_s: float, places: Endpoints) -> Sequence[FunctionConfig]:
    """Make the functions of a lab by itself."""
    return make_functions(lanes, timeout_s, endpoints_of(places), places)


def lanes_of(campaign: Campaign) -> int:
    """How many lanes a campaign can use; a burst has a fleet instead."""
    return 0 if campaign.burst else min(campaign.repetition.lanes, len(campaign.cells()))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LabTarget:
    """A running lab as a campaign sees it."""

    stack: Stack = field(repr=False)
    lanes: tuple[str, ...]
    facts: TargetFacts
    faults: FaultInjector
    fleet: str = f"{FLEET}:{ALIAS}"
    sampler: str = f"{SAMPLER_FUNCTION}:{ALIAS}"

    def other_labs(self) -> Collection[int]:
        """Processes that run other labs on this machine now."""
        return {*running_labs()} - {os.getpid()}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabOptions:
    """What the command line can say of a lab beside the campaign.

    Attributes:
        server: which database server, see `running_server`.
        users_database: URL of a user's database, with the user and schema that functions are to use.
        freeze: how environments are frozen.
        code: changes the functions, to run from a bundle say.
        bundle: its SHA-256.
        proxy: puts another proxy in the place of the lab's.
        say: told what happens, one line at a time.

    """

    server: str | None = None
    users_database: str | None = field(default=None, repr=False)
    freeze: Freeze = Freeze.SIGNAL
    code: Callable[[Sequence[FunctionConfig]], Sequence[FunctionConfig]] = list
    bundle: str | None = None
    proxy: ProxyMaker | None = None
    say: Callable[[str], None] = lambda _text: None


@contextlib.contextmanager
def running_lab(campaign: Campaign, options: LabOptions) -> Iterator[LabTarget]:
    """Start a lab with the benchmark's functions in it, as the campaign needs it.

    Raises:
        ServerUnavailable, ChildFailed, AwsUnavailable: that part did not start.

    """
    settings, lanes = proxy_settings(campaign), lanes_of(campaign)
    with contextlib.ExitStack() as parts:

        def functions(places: Endpoints) -> Sequence[FunctionConfig]:
            endpoints = endpoints_of(places, settings)
            if options.proxy:
                other = options.proxy(Database(address=places.database), places.application)
                endpoints = [*endpoints[1:], parts.enter_context(other)]
            timeout_s, series = campaign.function_timeout_s, campaign.sqlalchemy
            made = make_functions(lanes, timeout_s, endpoints, places, series, fleet=campaign.fleet)
            return options.code(made)

        spec = LabSpec(
            settings,
            server=options.server,
            user_database=options.users_database,
            options=server_options(campaign),
            listeners=listeners_of(campaign),
            tls=campaign.tls,
            freeze=options.freeze,
            added_rtt_s=campaign.added_rtt_s,
        )
        stack = parts.enter_context(running_stack(functions, spec, say=options.say))
        yield LabTarget(
            stack=stack,
            lanes=tuple(f"{LANE.format(number)}:{ALIAS}" for number in range(lanes)),
            facts=_facts(stack, options.bundle),
            faults=LabFaults(stack, users_database=options.users_database is not None),
        )


def _facts(stack: Stack, bundle: str | None) -> TargetFacts:
    found = stack.describe()
    return TargetFacts(
        kind=found["kind"],
        freeze=found["freeze"],
        server_source=found["server_source"],
        proxy_settings=found["proxy"],
        added_rtt_s=found["added_rtt_s"],
        tls=found["tls"],
        bundle=bundle,
    )
