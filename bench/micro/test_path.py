"""Warm requests straight to the server and by way of proxies, with a round-trip time added and without.

The reference is the default pool, straight to the server, with the same round-trip time.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import URL

from micro.cases import Group, plain_request, warm_request
from micro.paired import PairedBenchmark
from micro.server import NoServer, parse, prepare
from perf.haproxy import running_haproxy
from poolbench.lab.debs import FetchFailed
from poolbench.lab.platform import LOOPBACK
from poolbench.lab.proxy import Backend, ProxySettings, running_proxy
from poolbench.lab.proxy.launch import running_relay

Ends = tuple[URL, URL]


@pytest.fixture(scope="module")
def direct(url: URL) -> URL:
    return url


@pytest.fixture(scope="module")
def proxy(
    request: pytest.FixtureRequest, url: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[URL]:
    """The proxy that was given, or one of the lab's."""
    given: str | None = request.config.getoption("--proxy-url")
    if given:
        try:
            found = parse("--proxy-url", given)
            prepare(found)
        except NoServer as error:
            pytest.fail(f"--proxy-url: {error}", pytrace=False)
        yield found
        return
    host, port, user, password = url.host or "", url.port or 0, url.username or "", str(url.password or "")
    with running_proxy(
        ProxySettings(),
        backend=Backend(host=host, port=port, user=user, password=password),
        accounts={user: password},
        work_dir=tmp_path_factory.mktemp("proxy"),
    ) as running:
        yield url.set(host=running.host, port=running.port)


@pytest.fixture(scope="module")
def haproxy(url: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """HAProxy in TCP mode: the least that a proxy can do."""
    with ExitStack() as running:
        folder = tmp_path_factory.mktemp("haproxy")
        try:
            port = running.enter_context(running_haproxy(url.host or "", url.port or 0, folder))
        except FetchFailed as error:
            pytest.skip(f"HAProxy is not installed, and {error}")
        yield url.set(host=LOOPBACK, port=port)


@contextmanager
def farther(url: URL, rtt_ms: float, work_dir: Path) -> Iterator[URL]:
    """The same, so much farther away."""
    if not rtt_ms:
        yield url
        return
    with running_relay(url.host or "", url.port or 0, rtt_ms / 1000, work_dir=work_dir) as relay:
        yield url.set(host=relay.host, port=relay.port)


@pytest.fixture
def ends(
    path: str, rtt_ms: float, request: pytest.FixtureRequest, url: URL, tmp_path: Path
) -> Iterator[Ends]:
    """Where to measure by this path, and where the reference."""
    by_path: URL = request.getfixturevalue(path)
    with farther(by_path, rtt_ms, tmp_path) as there, farther(url, rtt_ms, tmp_path) as beside:
        yield there, beside


@pytest.mark.benchmark(group=Group.PATH)
@pytest.mark.parametrize("rtt_ms", [0, 1], ids=lambda rtt_ms: f"+{rtt_ms} ms")
@pytest.mark.parametrize("path", ["direct", "proxy", "haproxy"])
@pytest.mark.parametrize("strategy", ["queuepool", "pre_ping", "nullpool"])
def test_path(strategy: str, path: str, rtt_ms: float, ends: Ends, paired: PairedBenchmark) -> None:
    there, beside = ends
    paired(
        partial(warm_request, strategy),
        at=there,
        reference=plain_request,
        reference_at=beside,
        strategy=strategy,
        path=path,
        added_rtt_ms=rtt_ms,
    )
