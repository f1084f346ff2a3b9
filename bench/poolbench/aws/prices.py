"""The dated price table."""

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Self

from poolbench.typed import unknown

MONTH_H = 730  # hours, as AWS counts a month


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
