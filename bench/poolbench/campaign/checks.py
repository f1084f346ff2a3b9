"""What a campaign cannot be: names of nothing, numbers that nothing can run, slips that cost a night."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

from poolbench.campaign import BadCampaign
from poolbench.campaign.plan import Burst, Campaign, Repetition
from poolbench.campaign.schedule import lead_s
from poolbench.function.drivers import DEFAULT, DRIVERS
from poolbench.function.strategies import BadEngine, UnknownStrategy, get
from poolbench.function.workload import UnknownWorkload, get_workload
from poolbench.model.failures import MODES, When
from poolbench.store import LONGEST_PUT_S
from poolbench.typed import unknown

LONGEST_GAP_S = 7 * 24 * 3600
LONGEST_FUNCTION_S = 900  # Lambda's own
MOST_INVOCATIONS = 1_000_000  # a hundred times what `full` has
MOST_AT_ONCE = 1000  # Lambda's default quota of concurrent executions
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BURST_RANGES = {
    "think_s": (0, 60),
    "tail_timeouts": (0.1, 100),
    "max_connections": (10, 100_000),  # what MariaDB takes
    "max_connections_percent": (1, 100),  # what RDS Proxy takes
}


def check(campaign: Campaign) -> None:
    """Refuse what cannot be measured.

    Raises:
        BadCampaign: the message names the key and the cure.

    """
    _check_name(campaign.name)
    _check_factors(campaign)
    _check_strategies(campaign)
    _check_given_twice(campaign)
    _check_signs(campaign)
    if campaign.burst:
        _check_burst(campaign, campaign.burst)
    else:
        _check_gaps(campaign)
    _check_extent(campaign)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadCampaign(
            f"name is {name!r}: files are named after it, so use up to 64 letters, digits, '-', '_' and '.'"
        )


def _check_factors(campaign: Campaign) -> None:
    factors = campaign.factors
    if not factors.strategies:
        raise BadCampaign("factors.strategies is empty: name at least one (see `poolbench strategies`)")
    known: Mapping[str, Iterable[str]] = {"drivers": DRIVERS, "failures": MODES}
    for label, names in known.items():
        if not getattr(factors, label):
            raise BadCampaign(f"factors.{label} is empty: name at least one, or leave it out")
        for name in getattr(factors, label):
            if name not in names:
                raise BadCampaign(f"factors.{label}: {unknown(name, names)}")
    direct = [name for name in factors.failures if MODES[name].direct]
    for name in direct:
        others = ", ".join(other for other in direct if other != name)
        if MODES[name].reaches_all and others:
            raise BadCampaign(
                f"factors.failures: {name} would end the connections of {others}, too: "
                "measure it in a campaign of its own"
            )


def _check_strategies(campaign: Campaign) -> None:
    try:
        for name in campaign.factors.strategies:
            get(name)
        campaign.left_out()
    except (UnknownStrategy, BadEngine) as error:
        raise BadCampaign(f"factors.strategies: {error}") from None
    try:
        get_workload(campaign.request.workload)
    except UnknownWorkload as error:
        raise BadCampaign(f"request.workload: {error}") from None


def _check_given_twice(campaign: Campaign) -> None:
    for label in ("strategies", "drivers", "failures", "gaps", "environments", "threads"):
        gaps = [seconds for seconds, _ in campaign.gaps()]
        values = [str(value) for value in (gaps if label == "gaps" else getattr(campaign.factors, label))]
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise BadCampaign(f"factors.{label}: {', '.join(sorted(twice))} given twice")


def _check_signs(campaign: Campaign) -> None:
    for key, value in _positive(campaign):
        if value <= 0:
            raise BadCampaign(f"{key} is {value}: it must be positive")
    for key in ("added_rtt_s", "connection_borrow_timeout_s"):
        value = getattr(campaign, key)
        if value < 0:
            raise BadCampaign(f"{key} is {value}: it must not be negative")


def _positive(campaign: Campaign) -> Iterator[tuple[str, float]]:
    yield "idle_client_timeout_s", campaign.idle_client_timeout_s
    yield "function_timeout_s", campaign.function_timeout_s
    for table in ("request", "repetition"):
        for name, value in asdict(getattr(campaign, table)).items():
            if name != "workload":
                yield f"{table}.{name}", value


def _check_gaps(campaign: Campaign) -> None:
    if campaign.shapes():
        raise BadCampaign("factors.environments and factors.threads are of a burst: add a table [burst]")
    gaps = campaign.gaps()
    if not gaps:
        raise BadCampaign("factors.gaps and factors.gaps_s are empty: give at least one gap")
    labels = [label for _, label in gaps]
    for gap_s, label in gaps:
        if not 0 <= gap_s <= LONGEST_GAP_S:
            raise BadCampaign(f"factors.gaps: {gap_s:g} s is not 0 to {LONGEST_GAP_S} s, which is a week")
        if labels.count(label) > 1:
            raise BadCampaign(f"factors.gaps: {label} given twice; six digits tell gaps apart")


def _check_burst(campaign: Campaign, burst: Burst) -> None:
    for name, (low, high) in _BURST_RANGES.items():
        value = getattr(burst, name)
        if not low <= value <= high:
            raise BadCampaign(f"burst.{name} is {value:g}: use {low:g} to {high:g}")
    factors, repetition = campaign.factors, campaign.repetition
    if campaign.gaps():
        raise BadCampaign("factors.gaps: a burst has none; leave them out, or the table [burst]")
    if repetition != Repetition(replicates=repetition.replicates) or campaign.request.pooled != 1:
        raise BadCampaign(
            "a burst is repeated by repetition.replicates alone: leave out lanes, rounds, gaps_per_round "
            "and request.pooled"
        )
    if not campaign.shapes():
        raise BadCampaign("factors.environments and factors.threads are empty: say how many at once")
    if not all(1 <= number <= MOST_AT_ONCE for shape in campaign.shapes() for number in shape):
        raise BadCampaign(f"factors.environments and factors.threads: use 1 to {MOST_AT_ONCE}")
    switched = [name for name in factors.failures if MODES[name].when is not When.ALWAYS]
    if switched:
        raise BadCampaign(f"factors.failures: {', '.join(switched)} cannot be had in a burst")
    if factors.drivers != (DEFAULT,):
        raise BadCampaign(
            f"factors.drivers: a burst is measured with {DEFAULT} alone, which threads can share"
        )


def _check_extent(campaign: Campaign) -> None:
    function_timeout_s, invocations = campaign.function_timeout_s, campaign.invocations()
    if function_timeout_s > LONGEST_FUNCTION_S:
        raise BadCampaign(f"function_timeout_s is {function_timeout_s}: Lambda allows {LONGEST_FUNCTION_S}")
    if invocations > MOST_INVOCATIONS:
        raise BadCampaign(
            f"repetition: {invocations:,} invocations are more than {MOST_INVOCATIONS:,}: "
            "lower replicates, rounds or gaps_per_round"
        )
    request = campaign.request
    longest = request.deadline_s * request.requests + LONGEST_PUT_S
    if campaign.burst:
        longest += 2 * campaign.burst.think_s * request.requests + lead_s(campaign.fleet)
    if longest >= function_timeout_s:
        raise BadCampaign(
            f"request.requests x request.deadline_s, and {LONGEST_PUT_S} s for the slowest store, make "
            f"{longest:g} s, which is not below function_timeout_s = {function_timeout_s}: the "
            "function would be killed before its rows are written; raise function_timeout_s or lower the "
            "others"
        )
