"""Server, engines and summary of the microbenchmarks."""

import os
import ssl
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import SQLAlchemyError

from micro.paired import PairedBenchmark
from micro.server import WAYS, NoServer, parse, prepare
from micro.wire import CommandCounter


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's own options."""
    group = parser.getgroup("poolbench")
    group.addoption(
        "--mysql-url",
        default=os.environ.get("POOLBENCH_DATABASE_URL"),
        help="server and database; its user may create a table there. [default: $POOLBENCH_DATABASE_URL]",
    )
    group.addoption(
        "--proxy-url",
        default=os.environ.get("POOLBENCH_PROXY_URL"),
        help="the same database through a proxy. [default: $POOLBENCH_PROXY_URL, else the lab's proxy]",
    )
    group.addoption(
        "--rounds",
        type=int,
        help="of each benchmark. [default: 400, fewer where one takes long]",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, and say of pytest-benchmark's what the suite does anyway."""
    if (rounds := config.getoption("--rounds")) is not None and rounds < 1:
        raise pytest.UsageError(f"--rounds is {rounds}: give 1 or more")
    config.option.benchmark_disable_gc = True
    config.option.benchmark_save_data = True  # ratios and tails are made from it
    # What fails before it is measured has said so already.
    config.addinivalue_line("filterwarnings", "ignore:Benchmark fixture was not used")


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> URL:
    """The server under test; without one, the run ends with a clear word and pytest's usage error."""
    given: str | None = request.config.getoption("--mysql-url")
    try:
        if not given:
            raise NoServer(f"no MySQL server: {WAYS}")
        return parse("--mysql-url", given)
    except NoServer as error:
        pytest.exit(str(error), pytest.ExitCode.USAGE_ERROR)


@pytest.fixture(scope="session")
def server_version(url: URL) -> str:
    """What `VERSION()` says; the table is there from here on."""
    try:
        return prepare(url)
    except NoServer as error:
        pytest.exit(str(error), pytest.ExitCode.USAGE_ERROR)


@pytest.fixture(scope="session")
def tls(url: URL, server_version: str) -> ssl.SSLContext:  # noqa: ARG001 (a server that is known to answer)
    """One context for all connections; skips what needs TLS where the server has none."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # its price is asked, not its proof
    engine = create_engine(url, connect_args={"ssl": context})
    try:
        engine.connect().close()
    except SQLAlchemyError as error:
        pytest.skip(f"the server does not speak TLS: {getattr(error, 'orig', error)}")
    finally:
        engine.dispose()
    return context


@pytest.fixture(scope="session")
def counter(url: URL) -> Iterator[CommandCounter]:
    """A relay before the server, to count commands at."""
    with CommandCounter(url) as counting:
        yield counting


@pytest.fixture
def paired(
    request: pytest.FixtureRequest,
    benchmark: BenchmarkFixture,
    url: URL,
    server_version: str,
    counter: CommandCounter,
) -> PairedBenchmark:
    """Measure something beside its reference; see `PairedBenchmark`."""
    benchmark.extra_info |= {"driver": f"PyMySQL {version('PyMySQL')}", "server": server_version}
    return PairedBenchmark(benchmark, url, counter, request.config.getoption("--rounds"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Look for what tails and ratios are made from, which pytest-benchmark keeps to itself."""
    if not hasattr(session.config, "_benchmarksession"):
        raise pytest.UsageError(
            f"pytest-benchmark {version('pytest-benchmark')} does not have config._benchmarksession, "
            "from which tails and ratios are made: pip install pytest-benchmark==5.3.1"
        )


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print tails and ratios below pytest-benchmark's tables."""
    session: Any = vars(config)["_benchmarksession"]
    measured = [benchmark.as_dict() for benchmark in session.benchmarks if benchmark]
    if not measured:
        return
    # Not before the measuring is over: what analyses is large, and none of it belongs into what is measured.
    from micro.summary import as_text, lines  # noqa: PLC0415

    terminalreporter.section("tails, and ratios to the reference round by round, with 95 % intervals")
    terminalreporter.write_line(as_text(lines(measured)))


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Add what figures depend on beside the machine."""
    machine_info["libraries"] = {name: version(name) for name in ("SQLAlchemy", "PyMySQL")}
    machine_info["cpus"] = sorted(os.sched_getaffinity(0))
