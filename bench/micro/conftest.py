"""Server, engines and summary of the microbenchmarks."""

import os
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bench.function.probe import Probe, count_commands
from bench.function.strategies import Setting, build_engine, get
from bench.function.workload import point_select, seed
from bench.micro.paired import Paired
from bench.micro.summary import HEADERS, lines, text_table

NO_SERVER = 4  # exit code; pytest's own for a usage error
WAYS = (
    "give --mysql-url mysql://user:password@host:3306/database, start a container as the README shows and "
    "give its URL, or let the lab have one: make bench"
)
IDLE_CLIENT_TIMEOUT_S = 1e6  # recycle never comes into play: what is timed is the check alone


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --mysql-url."""
    parser.addoption(
        "--mysql-url",
        default=os.environ.get("POOLBENCH_DATABASE_URL"),
        help="server and database; its user may create a table there. [default: $POOLBENCH_DATABASE_URL]",
    )


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> URL:
    """The server under test, with the table seeded; without one, the run ends with a clear word."""
    given: str | None = request.config.getoption("--mysql-url")
    if not given:
        pytest.exit(f"no MySQL server: {WAYS}", NO_SERVER)
    try:
        found = make_url(given).set(drivername="mysql+pymysql").update_query_dict({"charset": "utf8mb4"})
    except ArgumentError:
        pytest.exit(f"--mysql-url is not a URL: {WAYS}", NO_SERVER)
    where = f"{found.host}:{found.port or 3306}"
    if not found.database:
        pytest.exit(f"the URL of {where} names no database: add /NAME at its end", NO_SERVER)
    found = found.set(port=found.port or 3306)
    try:
        seed(create_engine(found, connect_args={"ssl_disabled": True, "connect_timeout": 5}))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error))
        pytest.exit(f"the MySQL server at {where} cannot be used: {reason}; {WAYS}", NO_SERVER)
    return found


@pytest.fixture(scope="session")
def server_version(url: URL) -> str:
    """What `VERSION()` says."""
    engine = create_engine(url, connect_args={"ssl_disabled": True})
    with engine.connect() as connection:
        version: str = connection.execute(text("SELECT VERSION()")).scalar_one()
    engine.dispose()
    return version


@pytest.fixture(scope="session")
def tls(url: URL) -> ssl.SSLContext:
    """One context for all connections; skips what needs TLS where the server has none."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # its price is asked, not its proof
    try:
        create_engine(url, connect_args={"ssl": context}).connect().close()
    except SQLAlchemyError as error:
        pytest.skip(f"the server offers no TLS: {getattr(error, 'orig', error)}")
    return context


@pytest.fixture
def engine_of(url: URL) -> Iterator[Callable[..., Engine]]:
    """Make engines of strategies, disposed of at the end."""
    made: list[Engine] = []

    def make(strategy: str, at: URL | None = None) -> Engine:
        setting = Setting(url=at or url, idle_client_timeout_s=IDLE_CLIENT_TIMEOUT_S, label=strategy)
        made.append(build_engine(get(strategy), setting))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def paired(benchmark: BenchmarkFixture, server_version: str) -> Paired:
    """Measure something beside its reference; see `Paired`."""
    benchmark.extra_info["server"] = server_version
    return Paired(benchmark)


def request(engine: Engine) -> None:
    """Checkout, one row by primary key, return."""
    with engine.connect() as connection:
        point_select(connection)


def wire_commands(engine: Engine, action: Callable[[], Any]) -> int | None:
    """Commands that one run of `action` sends through `engine`; counted apart from any timing."""
    probe = Probe(engine)
    count_commands()
    try:
        action()
        probe.begin()
        action()
        return probe.end().wire_commands
    finally:
        count_commands(on=False)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print ratios and percentiles."""
    session = getattr(config, "_benchmarksession", None)
    measured = [bench.as_dict(include_data=True) for bench in session.benchmarks] if session else []
    if not measured:
        return
    terminalreporter.section(
        "ratios within rounds, and tails; [95 % interval], ∞: too few rounds for a bound"
    )
    terminalreporter.write_line(text_table([HEADERS, *(line.cells() for line in lines(measured))]))
