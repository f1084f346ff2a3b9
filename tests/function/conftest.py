"""A seeded bench schema on the shared server, and engines of every strategy on it."""

import secrets
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import URL

from bench.function.deadline import Deadline
from bench.function.measure import Measurement, measure
from bench.function.probe import Probe, count_commands
from bench.function.strategies import Setting, build_engine, get
from bench.function.workload import Workload, point_select, seed
from bench.lab.mysql import Account, RunningServer, create_accounts

IDLE_CLIENT_TIMEOUT_S = 1000.0  # nothing here closes idle clients; recycle must not come into play


class Client:
    """One application: an engine of a strategy, its probe, and requests on it."""

    def __init__(self, strategy: str, url: URL, timeout_s: float) -> None:
        setting = Setting(url=url, idle_client_timeout_s=timeout_s, label=strategy)
        self.engine = build_engine(get(strategy), setting)
        self.probe = Probe(self.engine)
        self.deadline = Deadline(url.port)

    def request(self, workload: Workload = point_select, deadline_s: float = 5.0) -> Measurement:
        return measure(self.engine, self.probe, workload, self.deadline, deadline_s)


@pytest.fixture(scope="session")
def database(server: RunningServer) -> URL:
    """The seeded schema's URL."""
    found, password = server.server, secrets.token_urlsafe(12)
    create_accounts(found, "function_tests", [Account(name="function_tests", password=password)])
    url = URL.create("mysql+pymysql", "function_tests", password, found.host, found.port, "function_tests")
    client = Client("nullpool", url, 1.0)
    seed(client.engine)
    count_commands()
    return url


@pytest.fixture
def connect(database: URL) -> Iterator[Callable[..., Client]]:
    """Make a client of a strategy."""
    made: list[Client] = []

    def make(strategy: str, timeout_s: float = IDLE_CLIENT_TIMEOUT_S) -> Client:
        made.append(Client(strategy, database, timeout_s))
        return made[-1]

    yield make
    for client in made:
        client.engine.dispose()
