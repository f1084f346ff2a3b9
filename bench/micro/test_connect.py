"""Opening and closing one connection, by the driver alone, beside PyMySQL's without TLS."""

import importlib
import ssl
from functools import partial
from importlib.metadata import version

import pytest

from micro.cases import Encryption, Group, connect_arguments, connecting
from micro.paired import ROUNDS, PairedBenchmark
from poolbench.function.drivers import DEFAULT, DRIVERS

OWN_ROUNDS = 40  # they take tens of milliseconds
NO_TLS = ssl.create_default_context()  # stands for the context where none is used
PACKAGES = {driver.package: driver for driver in reversed(list(DRIVERS.values()))}  # the first entry of each


@pytest.mark.benchmark(group=Group.CONNECT)
@pytest.mark.parametrize(
    ("package", "encryption"),
    [
        (package, encryption)
        for package, driver in reversed(PACKAGES.items())
        for encryption in Encryption
        if connect_arguments(driver, encryption, NO_TLS) is not None
    ],
)
def test_connect(
    package: str, encryption: Encryption, request: pytest.FixtureRequest, paired: PairedBenchmark
) -> None:
    driver = PACKAGES[package]
    try:
        importlib.import_module(driver.module)
    except ImportError as error:
        pytest.skip(f"{package} cannot be used here: {error}")
    context = NO_TLS if encryption is Encryption.NONE else request.getfixturevalue("tls")
    paired(
        partial(connecting, driver, encryption, context),
        reference=partial(connecting, DRIVERS[DEFAULT], Encryption.NONE, context),
        rounds=OWN_ROUNDS if encryption is Encryption.OWN else ROUNDS,
        driver=f"{package} {version(package)}",
        encryption=encryption,
    )
