"""Opening and closing one connection, by the driver alone, beside PyMySQL's without TLS."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from importlib.metadata import version

import pytest
from sqlalchemy import URL

from bench.micro.drivers import DRIVERS, Driver, Encryption
from bench.micro.paired import Case, Paired

ROUNDS = {Encryption.NONE: 300, Encryption.SHARED: 300, Encryption.OWN: 50}  # the last take tens of ms
PAIRS = [
    pytest.param(driver, encryption, id=f"{driver.package}, {encryption}")
    for driver in DRIVERS
    for encryption in driver.arguments
]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with contextlib.closing(asyncio.new_event_loop()) as made:
        yield made


@pytest.mark.benchmark(group="connect and close")
@pytest.mark.parametrize(("driver", "encryption"), PAIRS)
def test_connect(
    driver: Driver,
    encryption: Encryption,
    url: URL,
    loop: asyncio.AbstractEventLoop,
    request: pytest.FixtureRequest,
    paired: Paired,
) -> None:
    pytest.importorskip(driver.module, reason=f"{driver.package} is not installed")
    context: ssl.SSLContext | None = None
    if encryption is not Encryption.NONE:
        context = request.getfixturevalue("tls")
    paired(
        lambda at: Case(driver.connect_and_close(at, encryption, context, loop)),
        reference=DRIVERS[0].connect_and_close(url, Encryption.NONE, None, loop),
        rounds=ROUNDS[encryption],
        driver=f"{driver.package} {version(driver.package)}",
        encryption=encryption,
    )
