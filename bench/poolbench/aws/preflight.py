"""What would make a deployment fail half-way, found before it starts."""

import re
from collections.abc import Mapping
from pathlib import Path

from poolbench.aws.account import Account, AwsFailed, BadRequest, explained
from poolbench.aws.cost import StackSize
from poolbench.aws.deployed import ABSENT, UNBORN, WHOLE, cure_of, status_of
from poolbench.aws.inventory import ROLE
from poolbench.typed import unknown

# RDS user guide, "Supported Regions and DB engines for Amazon RDS Proxy".
PROXY_SERVES = ("8.0", "8.4")
# Functions without a reservation keep this much, or all there is of a smaller quota (Lambda developer
# guide, "Configuring reserved concurrency").
_UNRESERVED = 100
_SINGLES = 4  # that reserve 1 besides the lanes: init, on demand, sampler, conductor
# What deployer.yaml takes: the proxy has this name, and roles have longer ones, of up to 64 characters.
_NAME, _NAME_CHARACTERS = re.compile(r"[a-z](-?[a-z0-9])*"), 31
# Ids of zones, which unlike their names mean the same to every account. RDS user guide, "Quotas and
# limitations for RDS Proxy"; Lambda has no functions in a VPC there either.
_WITHOUT_PROXY = frozenset({"use1-az3"})


def check_parameters(names: Mapping[str, str], template: Path) -> None:
    """Refuse names that are not the template's: SAM leaves them out without a word.

    Raises:
        BadRequest: the template has no such parameter.

    """
    section = template.read_text(encoding="utf-8").partition("\nParameters:\n")[2].partition("\n\n")[0]
    known = re.findall(r"^  (\w+):$", section, re.MULTILINE)
    for name in names:
        if name not in known:
            raise BadRequest(f"--parameter: {unknown(name, known)}; see {template}")


def check_deployable(account: Account, stack: str, parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse what AWS would refuse after many minutes; return the parameters that follow from the account.

    Args:
        account: to deploy to.
        stack: its name.
        parameters: of the template, those that are not its defaults.

    Returns:
        Of a new stack, its zones; a stack that is up keeps those that it has.

    Raises:
        BadRequest: the stack's name, the engine version, or the proxy's settings.
        AwsFailed: the instance class, the quota of concurrency, or what is left of an earlier attempt.

    """
    if not _NAME.fullmatch(stack) or len(stack) > _NAME_CHARACTERS:
        raise BadRequest(
            f"stack {stack!r}: use up to {_NAME_CHARACTERS} lower-case letters and digits, a letter first, "
            "with single hyphens between them"
        )
    version = parameters.get("EngineVersion", PROXY_SERVES[-1])
    _check_engine(version)
    _check_idle(
        _number(parameters, "MaxConnectionsPercent", 100),
        _number(parameters, "MaxIdleConnectionsPercent", 50),
    )
    for name in (ROLE.format(stack), stack):
        status = status_of(account, name)
        if status not in WHOLE | {ABSENT, UNBORN}:
            cure = cure_of(account, name, status)
            raise AwsFailed(f"stack {name!r} in {account.region} is {status}: {cure}")
    if status in WHOLE:
        return {}
    size = StackSize()
    fleet = _number(parameters, "FleetConcurrency", size.fleet)
    _check_concurrency(account, size.lanes + _SINGLES + fleet)
    return _zones(account, version, parameters.get("DatabaseClass", size.instance))


def _check_engine(version: str) -> None:
    series = ".".join(version.split(".")[:2])
    if series not in PROXY_SERVES:
        raise BadRequest(
            f"EngineVersion {version}: RDS Proxy serves RDS for MySQL {' and '.join(PROXY_SERVES)} alone"
        )


def _number(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f"{name} is {text!r}: give a whole number") from None


def _check_idle(most: int, idle: int) -> None:
    if idle > most:
        raise BadRequest(
            f"MaxIdleConnectionsPercent {idle} exceeds MaxConnectionsPercent {most}: give one that does not"
        )


def _check_concurrency(account: Account, reserved: int) -> None:
    with explained("read Lambda's quotas"):
        limit = account.client("lambda").get_account_settings()["AccountLimit"]
    quota, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    kept = min(_UNRESERVED, quota)
    if free - reserved < kept:
        needed = quota - free + reserved + _UNRESERVED
        raise AwsFailed(
            f"Lambda lets this account run {quota} executions at once in {account.region}, {free} of them "
            f"not reserved; the stack reserves {reserved}, and {kept} must stay unreserved: ask for a quota "
            f"of {needed} (Service Quotas, AWS Lambda, Concurrent executions)"
        )


def _zones(account: Account, version: str, instance: str) -> Mapping[str, str]:
    """Two zones that have the database, and the proxy as well.

    CloudFormation's list of zones has no order to rely on, and holds those without a proxy.
    """
    with explained("read what RDS offers"):
        pages = (
            account.client("rds")
            .get_paginator("describe_orderable_db_instance_options")
            .paginate(Engine="mysql", DBInstanceClass=instance, Vpc=True)
        )
        options = [option for page in pages for option in page["OrderableDBInstanceOptions"]]
    offered = {
        zone["Name"]
        for option in options
        if f"{option['EngineVersion']}.".startswith(f"{version}.") and option["StorageType"] == "gp3"
        for zone in option["AvailabilityZones"]
    }
    if not offered:
        raise AwsFailed(
            f"RDS has no {instance} with MySQL {version} in {account.region}: "
            "choose another DatabaseClass or EngineVersion"
        )
    with explained("list availability zones"):
        zones = account.client("ec2").describe_availability_zones()["AvailabilityZones"]
    fit = sorted(
        zone["ZoneName"]
        for zone in zones
        if zone["State"] == "available"
        and zone["ZoneName"] in offered
        and zone["ZoneId"] not in _WITHOUT_PROXY
    )
    if len(fit) < 2:
        raise AwsFailed(
            f"RDS Proxy needs two zones that also have {instance} with MySQL {version}, and "
            f"{account.region} has {len(fit)}: choose another DatabaseClass or region"
        )
    return dict(zip(("ZoneA", "ZoneB"), fit, strict=False))
