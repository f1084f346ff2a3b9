"""What an execution environment keeps from one invocation to the next: the clients of its cells."""

import contextlib
import gc
import math
import os
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from poolbench.function import drivers
from poolbench.function.arrivals import arrivals
from poolbench.function.client import Client
from poolbench.function.clocks import boottime_ns
from poolbench.function.config import Config, address_of
from poolbench.function.invocation import Invocation
from poolbench.function.strategies import CONTROL, REFERENCE, Setting, get
from poolbench.function.tokens import token_source

CONFIG = Config.load()


@dataclass(slots=True)
class Cell:
    """A cell's client and its past in this environment; kept until another attempt or campaign begins."""

    client: Client
    attempt: int = 0
    requests: int = 0
    last_done_ns: int | None = None  # boottime

    def gap_s(self, now_ns: int) -> float | None:
        """Seconds since the last request was done, boottime."""
        return None if self.last_done_ns is None else (now_ns - self.last_done_ns) / 1e9

    def note_done(self) -> None:
        """Another request is done."""
        self.last_done_ns = boottime_ns()
        self.requests += 1
        ENVIRONMENT.requests += 1


@dataclass(slots=True)
class Environment:
    """What this execution environment has seen."""

    campaign: str = ""  # whose cells these are
    cells: dict[str, Cell] = field(default_factory=dict)
    requests: int = 0
    early: Client | None = None  # connected at init, for the reference's first cell on EARLY


ENVIRONMENT = Environment()
EARLY = os.environ.get("POOLBENCH_CONNECT_AT_INIT")  # endpoint to connect to while initialising; usually none


class EngineFailed(Exception):
    """The strategy could not make its engine; the message is the error's own, without the password."""


def close_all() -> None:
    """Close all that cells have left open here, and free what they took."""
    if not ENVIRONMENT.cells:
        return
    while ENVIRONMENT.cells:
        ENVIRONMENT.cells.popitem()[1].client.close()
    # An engine is full of cycles. Left to themselves they gather for hours, and the collection that finds
    # them at last falls into somebody's measured request.
    gc.collect()


def cell_of(invocation: Invocation) -> Cell:
    """The cell's client. A deployed environment outlives campaigns: what one left is none of the next's.

    Raises:
        UnknownDriver: there is none of that name.
        UnknownStrategy: there is none of that name.
        EngineFailed: the strategy's own code failed.

    """
    if ENVIRONMENT.campaign != invocation.campaign:
        close_all()
        ENVIRONMENT.campaign = invocation.campaign
    cell = ENVIRONMENT.cells.get(invocation.cell)
    if cell is None or cell.attempt != invocation.attempt:
        if cell:
            cell.client.close()
        cell = ENVIRONMENT.cells[invocation.cell] = _new_cell(invocation)
        cell.attempt = invocation.attempt
    return cell


def _new_cell(invocation: Invocation) -> Cell:
    if invocation.strategy == CONTROL:
        return Cell(Client(None, None))
    wanted = (invocation.strategy, invocation.driver, invocation.endpoint)
    if ENVIRONMENT.early and wanted == (REFERENCE, drivers.DEFAULT, EARLY):
        early, ENVIRONMENT.early = ENVIRONMENT.early, None
        return Cell(early)
    return Cell(_client(*wanted, invocation.label, invocation.idle_client_timeout_s))


def _client(
    strategy_name: str, driver_name: str, endpoint: str, label: str, idle_client_timeout_s: float
) -> Client:
    driver = drivers.get(driver_name)
    url = CONFIG.url(address_of(endpoint), driver.scheme)
    setting = Setting(
        url=url,
        idle_client_timeout_s=idle_client_timeout_s,
        label=label,
        driver=driver,
        tls=CONFIG.tls,
        tokens=token_source(url),
    )
    strategy = get(strategy_name)
    try:
        return Client(strategy, setting, arrivals(driver_name, endpoint))
    except Exception as error:  # of whatever class: an engine of somebody's own is made by their code
        # Not chained: Lambda would log the first error, and what it tells, too.
        raise EngineFailed(CONFIG.secret.masked(f"{type(error).__name__}: {error}")) from None


def _connect_early(endpoint: str) -> Client:
    """Do what code at the top of a module does: with provisioned concurrency, long before any request."""
    client = _client(REFERENCE, drivers.DEFAULT, endpoint, "init", math.inf)
    with contextlib.suppress(DBAPIError):  # the request that follows connects, or tells
        client.engine.connect().close()
    return client


if EARLY:
    ENVIRONMENT.early = _connect_early(EARLY)
