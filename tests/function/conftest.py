"""A seeded bench schema on the shared server, and engines of every strategy on it."""

import secrets
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import URL, Connection, text

from poolbench.function.client import Client
from poolbench.function.measure import Measurement, measure
from poolbench.function.probe import count_commands
from poolbench.function.strategies import Setting, get
from poolbench.function.workload import Workload, point_select, seed
from poolbench.lab.mysql import RunningServer, create_users

IDLE_CLIENT_TIMEOUT_S = 1000.0  # nothing here closes idle clients; recycle must not come into play


class Application(Client):
    """A client of a strategy by its name, with requests on it."""

    def __init__(self, strategy: str, url: URL, timeout_s: float) -> None:
        super().__init__(get(strategy), Setting(url=url, idle_client_timeout_s=timeout_s, label=strategy))

    def request(self, workload: Workload = point_select, deadline_s: float = 20.0) -> Measurement:
        return measure(self, workload, deadline_s)


def silence(connection: Connection) -> None:
    """A statement whose answer nobody waits for."""
    connection.execute(text("SELECT SLEEP(60)"))


@pytest.fixture(scope="session")
def database(server: RunningServer) -> URL:
    """The seeded schema's URL."""
    found, password = server.server, secrets.token_urlsafe(12)
    create_users(found, "function_tests", {"function_tests": password})
    url = URL.create("mysql+pymysql", "function_tests", password, found.host, found.port, "function_tests")
    seed(Application("nullpool", url, 1.0).engine)
    count_commands()
    return url


@pytest.fixture
def connect(database: URL) -> Iterator[Callable[..., Application]]:
    """Make a client of a strategy."""
    made: list[Application] = []

    def make(strategy: str, timeout_s: float = IDLE_CLIENT_TIMEOUT_S) -> Application:
        made.append(Application(strategy, database, timeout_s))
        return made[-1]

    yield make
    for client in made:
        client.close()
