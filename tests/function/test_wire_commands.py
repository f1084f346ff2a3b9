"""The commands that the probe counts in the driver are those that the proxy sees on the wire."""

import secrets
from collections.abc import Iterator

import pytest
from sqlalchemy import URL

from poolbench.function.probe import count_commands
from poolbench.function.strategies import STRATEGIES
from poolbench.function.workload import seed
from poolbench.lab.mysql import RunningServer, create_users
from poolbench.lab.proxy import Backend, ProxySettings, RunningProxy, running_proxy
from poolbench.model.row import Outcome
from tests.function.conftest import Application

USER = "wire_tests"
REQUESTS = 4


@pytest.fixture(scope="module")
def proxy(
    server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningProxy, URL]]:
    found, password = server.server, secrets.token_urlsafe(12)
    create_users(found, USER, {USER: password})
    backend = Backend(host=found.host, port=found.port, user=USER, password=password)
    folder = tmp_path_factory.mktemp("proxy")
    with running_proxy(
        ProxySettings(), backend=backend, accounts={USER: password}, work_dir=folder
    ) as running:
        url = URL.create("mysql+pymysql", USER, password, running.host, running.port, USER)
        seed(Application("nullpool", url, 1.0).engine)
        count_commands()
        yield running, url


def seen_by(proxy: RunningProxy, connections: set[int | None]) -> int:
    """Commands with an answer that these connections have sent; authentication counts as one."""
    commands = [client["commands"] for client in proxy.clients() if client["id"] in connections]
    assert len(commands) == len(connections)
    return sum(1 + sum(count for name, count in each.items() if name != "COM_QUIT") for each in commands)


# Tokens are another login, and the same commands.
PLAIN = {name for name, strategy in STRATEGIES.items() if strategy.token is None}


@pytest.mark.parametrize("strategy", sorted(PLAIN - {"engine_per_invocation"}))
def test_the_probe_and_the_proxy_count_the_same(proxy: tuple[RunningProxy, URL], strategy: str) -> None:
    running, url = proxy
    client = Application(strategy, url, 1000.0)
    requests = [client.request() for _ in range(REQUESTS)]
    assert {request.outcome for request in requests} == {Outcome.OK}
    counted = sum(request.seen.wire_commands or 0 for request in requests)
    ids = {request.seen.connection_id for request in requests}
    assert counted == seen_by(running, ids - {None})  # None: no checkout, the connection is held
    client.close()
