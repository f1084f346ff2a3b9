"""The bill, against figures that were worked out by hand, and the table's gaps."""

import datetime
from pathlib import Path

import pytest
import yaml

from poolbench.aws.cost import NoPrice, Prices, StackSize, Usage, bill, hourly, total
from poolbench.campaign.plan import Campaign, Factors, Repetition
from poolbench.campaign.schedule import plan_lanes

PRICES = Prices.of("us-east-1")
TEMPLATE = Path(__file__).parents[2] / "infra" / "template.yaml"


def test_an_hour_of_the_stack() -> None:
    items = {item.what: item.usd for item in hourly(StackSize(), PRICES)}
    assert items == {
        "RDS for MySQL, db.t4g.medium": pytest.approx(0.065),
        "its storage, gp3": pytest.approx(20 * 0.115 / 730),  # a month has 730 h
        "RDS Proxy": pytest.approx(2 * 0.015),
        # (12 lanes + fleet of 10 + init + sampler) x 0.5 GB x 3600 s
        "provisioned concurrency of 24": pytest.approx(43200 * 0.0000041667),
        "interface endpoint": pytest.approx(0.01),
        "secrets": pytest.approx(3 * 0.40 / 730),
        "NAT gateway": 0.0,
    }
    assert total(hourly(StackSize(), PRICES)) == pytest.approx(0.28979, abs=1e-5)


def test_a_campaign() -> None:
    """Three cells (the strategy, its twin, the control), a lane each: prime, wait 3600 s, measure, twice."""
    campaign = Campaign(
        name="hand",
        description="",
        seed=1,
        idle_client_timeout_s=1800,
        factors=Factors(strategies=("queuepool",), gaps=(2,)),
        repetition=Repetition(lanes=3, rounds=2),
    )
    items = {
        item.what: item
        for item in bill(Usage.of_lanes(plan_lanes(campaign, campaign.cells())), StackSize(), PRICES)
    }
    # The third lane starts in second 2; its gap ends at 2 + 0.25 + 3600, so in second 3603; that turn takes
    # 0.25 s, and the next priming follows at once with another; then 3603.5 + 3600 -> 7204, and 0.25 s.
    seconds = 7204.25
    hours = seconds / 3600 + 0.6
    assert items["RDS Proxy"].usd == pytest.approx(2 * 0.015 * hours)
    assert items["RDS for MySQL, db.t4g.medium"].usd == pytest.approx(0.065 * hours)
    steps, calls, slices = 3 * 4, 3 + 3 * 2, seconds / 50
    assert items["requests of Lambda"].usd == pytest.approx((steps + calls + slices) * 0.2e-6)
    assert items["Step Functions"].usd == pytest.approx((calls * 3 + slices * 4 + 10) * 25e-6)
    assert items["Lambda, provisioned"].usd == pytest.approx((steps * 0.1 + seconds) * 0.5 * 0.0000097222)
    assert items["Lambda, the conductor"].usd == pytest.approx(steps * 0.25 * 0.5 * 0.0000166667)
    assert items["S3, written and listed"].usd == pytest.approx((2 * steps + 3 + 2 * slices + 3) * 5e-6)
    assert total(items.values()) == pytest.approx(sum(item.usd for item in items.values()))


def test_a_campaign_of_bursts() -> None:
    """Bursts of 1 and of 10 environments in 100 s: no machine, no conductor, at most 10 + sampler at work."""
    items = {item.what: item for item in bill(Usage.of_bursts(100.0, [1, 10]), StackSize(), PRICES)}
    assert items["RDS Proxy"].usd == pytest.approx(0.03 * (100 / 3600 + 0.6))
    assert items["Lambda, provisioned"].usd == pytest.approx(100 * 11 * 0.5 * 0.0000097222)
    assert items["requests of Lambda"].usd == pytest.approx((2 * 11 + 2) * 0.2e-6)
    assert items["Step Functions"].usd == items["Lambda, the conductor"].usd == 0


def test_the_size_of_a_deployed_stack_is_its_parameters() -> None:
    parameters = {"FleetConcurrency": "1", "MemorySize": "1769", "DatabaseClass": "db.t4g.large"}
    size = StackSize.of(4, parameters | {"EngineVersion": "8.0.43"})
    items = {item.what: item.usd for item in hourly(size, PRICES)}
    assert items["RDS Extended Support"] == pytest.approx(2 * 0.1)  # by vCPU
    assert items["RDS for MySQL, db.t4g.large"] == pytest.approx(0.129)
    assert items["provisioned concurrency of 7"] == pytest.approx(7 * 1769 / 1024 * 3600 * 0.0000041667)


class _Loader(yaml.SafeLoader):
    """CloudFormation's short forms, as text."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, node: str(node.value))


def test_the_size_that_is_planned_with_is_the_templates() -> None:
    template = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506 (a safe one)
    default = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    size = StackSize()
    assert size.lanes == len(template["Resources"]["Fn::ForEach::Lanes"][1])
    assert size.fleet == default["FleetConcurrency"]
    assert size.memory_mb == default["MemorySize"]
    assert size.instance == default["DatabaseClass"]
    resources = template["Resources"]
    assert size.storage_gb == int(resources["Database"]["Properties"]["AllocatedStorage"])
    kinds = [resource["Type"] for resource in resources.values() if isinstance(resource, dict)]
    assert size.secrets == kinds.count("AWS::SecretsManager::Secret")
    assert "AWS::EC2::NatGateway" not in kinds
    singles = [
        name
        for name, resource in resources.items()
        if isinstance(resource, dict)
        and "ProvisionedConcurrencyConfig" in resource.get("Properties", {})
        and name != "Fleet"
    ]
    assert size.others == len(singles)


def test_the_table_is_dated_and_has_every_price_of_every_region() -> None:
    assert PRICES.noted >= datetime.date(2026, 11, 23)
    for region in ("us-east-1", "us-east-2", "us-west-2"):
        prices = Prices.of(region)
        assert set(prices.instances) == set(prices.vcpus)
        assert 0.1 < total(hourly(StackSize(), prices)) < 1


@pytest.mark.parametrize(
    ("region", "instance", "message"),
    [
        ("us-east-3", "db.t4g.medium", "no prices of us-east-3, only of us-east-1, "),
        ("us-east-1", "db.t4g.huge", "prices: unknown 'db.t4g.huge': did you mean"),
    ],
)
def test_what_the_table_lacks_is_named(region: str, instance: str, message: str) -> None:
    with pytest.raises(NoPrice, match=message.replace("?", r"\?")):
        hourly(StackSize(instance=instance), Prices.of(region))
