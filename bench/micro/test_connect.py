"""Opening and closing one connection, by the driver alone, beside PyMySQL's without TLS."""

import ssl
from functools import partial
from importlib.metadata import version

import pytest

from bench.micro.drivers import DRIVERS, Driver, Encryption
from bench.micro.paired import ROUNDS, Paired

OWN_ROUNDS = 40  # they take tens of milliseconds


@pytest.mark.benchmark(group="connect and close")
@pytest.mark.parametrize(
    ("driver", "encryption"),
    [
        pytest.param(driver, encryption, id=f"{driver.package}, {encryption}")
        for driver in DRIVERS
        for encryption in driver.arguments
    ],
)
def test_connect(
    driver: Driver, encryption: Encryption, request: pytest.FixtureRequest, paired: Paired
) -> None:
    pytest.importorskip(driver.module, reason=f"{driver.package} is not installed")
    context: ssl.SSLContext | None = None
    if encryption is not Encryption.NONE:
        context = request.getfixturevalue("tls")
    paired(
        partial(driver.connecting, encryption, context),
        reference=partial(DRIVERS[0].connecting, Encryption.NONE, None),
        rounds=OWN_ROUNDS if encryption is Encryption.OWN else ROUNDS,
        driver=f"{driver.package} {version(driver.package)}",
        encryption=encryption,
    )
