"""Opening and closing one connection, by the driver alone, beside PyMySQL's without TLS."""

import importlib
import ssl
from functools import partial
from importlib.metadata import version

import pytest

from micro.drivers import DRIVERS, REFERENCE, Encryption
from micro.groups import Group
from micro.paired import ROUNDS, Paired

OWN_ROUNDS = 40  # they take tens of milliseconds


@pytest.mark.benchmark(group=Group.CONNECT)
@pytest.mark.parametrize(
    ("package", "encryption"),
    [(driver.package, encryption) for driver in DRIVERS.values() for encryption in driver.arguments],
)
def test_connect(
    package: str, encryption: Encryption, request: pytest.FixtureRequest, paired: Paired
) -> None:
    driver = DRIVERS[package]
    try:
        importlib.import_module(driver.module)
    except ImportError as error:
        pytest.skip(f"{package} cannot be used here: {error}")
    context: ssl.SSLContext | None = None
    if encryption is not Encryption.NONE:
        context = request.getfixturevalue("tls")
    paired(
        partial(driver.connecting, encryption, context),
        reference=partial(DRIVERS[REFERENCE].connecting, Encryption.NONE, None),
        rounds=OWN_ROUNDS if encryption is Encryption.OWN else ROUNDS,
        driver=f"{package} {version(package)}",
        encryption=encryption,
    )
