"""The request whose price is asked, and the engines that send it."""

from collections.abc import Callable

from sqlalchemy import URL, Engine

from bench.function.strategies import STRATEGIES, Conduct, Setting, build_engine, get
from bench.function.workload import point_select

IDLE_CLIENT_TIMEOUT_S = 1800  # RDS Proxy's default; the suite ends before any recycle is due
# What else strategies do, they do around invocations, and no checkout shows it.
AT_CHECKOUT = tuple(name for name, strategy in STRATEGIES.items() if strategy.conduct == Conduct())

EngineOf = Callable[[str, URL], Engine]


def engine_of(strategy: str, at: URL) -> Engine:
    """Make a strategy's engine for a server, without TLS."""
    setting = Setting(url=at, idle_client_timeout_s=IDLE_CLIENT_TIMEOUT_S, label=strategy)
    return build_engine(get(strategy), setting)


def request(engine: Engine) -> None:
    """Checkout, one row by primary key, return."""
    with engine.connect() as connection:
        point_select(connection)
