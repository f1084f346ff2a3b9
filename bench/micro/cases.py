"""What is measured: made for one server, on connections of its own, as often as it is asked for."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from sqlalchemy import URL, Engine

from poolbench.function.strategies import REFERENCE, STRATEGIES, Conduct, Setting, build_engine, get
from poolbench.function.workload import point_select

IDLE_CLIENT_TIMEOUT_S = 1800  # RDS Proxy's default; the suite ends before any recycle is due
# What the others do beside, they do around invocations, and no checkout shows it.
AT_CHECKOUT = tuple(  # less those whose tokens a plain server does not take
    name for name, one in STRATEGIES.items() if one.conduct == Conduct() and one.token is None
)

Action = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Case:
    """Something to measure.

    Attributes:
        action: the timed part.
        before: run before each round, outside of the timed part.

    """

    action: Action
    before: Action = lambda: None


Make = Callable[[URL], AbstractContextManager[Case]]


@contextmanager
def engine_of(strategy: str, at: URL) -> Iterator[Engine]:
    """A strategy's engine for a server, without TLS."""
    setting = Setting(url=at, idle_client_timeout_s=IDLE_CLIENT_TIMEOUT_S, label=strategy)
    engine = build_engine(get(strategy), setting)
    try:
        yield engine
    finally:
        engine.dispose()


def request(engine: Engine) -> None:
    """Checkout, one row by primary key, return."""
    with engine.connect() as connection:
        point_select(connection)


@contextmanager
def warm_request(strategy: str, at: URL) -> Iterator[Case]:
    """A request on an engine that has served others."""
    with engine_of(strategy, at) as engine:
        yield Case(lambda: request(engine))


def plain_request(at: URL) -> AbstractContextManager[Case]:
    """The same under SQLAlchemy's defaults: what most is compared with."""
    return warm_request(REFERENCE, at)
