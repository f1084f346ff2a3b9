"""What would make a deployment fail half-way, found before it starts."""

from collections.abc import Mapping

from bench.aws.account import Account, AwsFailed, explained
from bench.aws.cost import StackSize
from bench.aws.deployed import ABSENT, WHOLE, cure_of, status_of

# RDS user guide, "Supported Regions and DB engines for Amazon RDS Proxy".
PROXY_SERVES = ("8.0", "8.4")
# Functions without a reservation keep this much, or all there is of a smaller quota (Lambda developer
# guide, "Configuring reserved concurrency").
_UNRESERVED = 100
_SINGLES = 4  # that reserve 1 besides the lanes: init, on demand, sampler, conductor


def check_deployable(account: Account, stack: str, parameters: Mapping[str, str]) -> None:
    """Refuse what AWS would refuse after many minutes.

    Args:
        account: to deploy to.
        stack: its name.
        parameters: of the template, those that are not its defaults.

    Raises:
        AwsFailed: the engine version, the proxy's settings, the quota of concurrency, or what is left of an
            earlier attempt.

    """
    _check_engine(parameters.get("EngineVersion", PROXY_SERVES[-1]))
    _check_idle(
        parameters.get("MaxConnectionsPercent", "100"), parameters.get("MaxIdleConnectionsPercent", "50")
    )
    status = status_of(account, stack)
    if status not in WHOLE | {ABSENT}:
        raise AwsFailed(f"stack {stack!r} in {account.region} is {status}: {cure_of(account, stack, status)}")
    if status == ABSENT:
        size = StackSize()
        fleet = int(parameters.get("FleetConcurrency", size.fleet))
        _check_concurrency(account, size.lanes + _SINGLES + fleet)


def _check_engine(version: str) -> None:
    series = ".".join(version.split(".")[:2])
    if series not in PROXY_SERVES:
        raise AwsFailed(
            f"EngineVersion {version}: RDS Proxy serves RDS for MySQL {' and '.join(PROXY_SERVES)} alone"
        )


def _check_idle(most: str, idle: str) -> None:
    if float(idle) > float(most):
        raise AwsFailed(
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
