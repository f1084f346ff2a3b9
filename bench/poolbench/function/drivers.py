"""The drivers under test, one entry each: what SQLAlchemy calls them, and what they call things.

Asynchronous drivers are entered twice, because what they do after a gap depends on the application's event
loop: one that lives as long as the environment, or one for each invocation (`asyncio.run` in the handler),
in which no connection of an earlier one can be used.
So is mysql-connector, with its C extension and without: their errors differ, and SQLAlchemy knows only those
of one for a lost connection.
"""

import asyncio
import functools
import importlib
import importlib.metadata
import importlib.util
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

Result = TypeVar("Result")
Connect = Mapping[str, Any]  # arguments of the driver's `connect`


class UnknownDriver(ValueError):
    """No driver of that name, or it is not installed; the message says what to do."""


class Loop(StrEnum):
    """The event loop that requests run in."""

    NONE = "none"  # the driver blocks
    PERSISTENT = "persistent"
    PER_INVOCATION = "per_invocation"


@dataclass(frozen=True, slots=True)
class Authority:
    """Whom to trust for TLS: one context for all connections, and a file for drivers that make their own."""

    context: ssl.SSLContext
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A driver, and how the function uses it."""

    name: str
    package: str  # to install
    module: str  # to import
    scheme: str  # of SQLAlchemy's URLs
    plain: Connect  # without TLS
    encrypted: Callable[[Authority], Connect]
    default_tls: Connect | None = None  # TLS as the driver does it when told nothing else; None: it does none
    database: str = "database"  # what its `connect` calls this argument
    labelled: Callable[[str], Connect]  # announces a program name, so that connections can be told apart
    thread_id: Callable[[Any], int]  # of the driver's connection: the number that the server gave it
    timeouts: frozenset[str] = frozenset({"read_timeout", "write_timeout"})  # those it knows of PyMySQL's
    loop: Loop = Loop.NONE
    build: Callable[[], str] = lambda: "pure Python"  # what was loaded: compiled or not, which library

    @property
    def installed(self) -> bool:
        """Whether it can be imported here."""
        return importlib.util.find_spec(self.module.partition(".")[0]) is not None

    @property
    def is_async(self) -> bool:
        """Whether connecting, asking and closing are awaited."""
        return self.loop is not Loop.NONE

    def describe(self) -> dict[str, str]:
        """Version, and what was loaded."""
        return {"version": importlib.metadata.version(self.package), "build": self.build()}

    def run(self, work: Callable[[], Result]) -> Result:
        """Run synchronous code that uses SQLAlchemy, where its connections can await; one invocation's."""
        if self.loop is Loop.NONE:
            return work()
        from sqlalchemy.util import greenlet_spawn  # noqa: PLC0415 (needs greenlet, which others do not)

        if self.loop is Loop.PER_INVOCATION:
            return asyncio.run(greenlet_spawn(work))
        return _runner().run(greenlet_spawn(work))


@functools.cache
def _runner() -> asyncio.Runner:
    """The loop that lives as long as the environment."""
    return asyncio.Runner()


def _client_library() -> str:
    return f"C, client library {importlib.import_module('MySQLdb').get_client_info()}"


def _extension() -> str:
    loaded = importlib.import_module("mysql.connector").HAVE_CEXT
    return "C extension" if loaded else "without its C extension, which cannot be loaded here"


def _program_name(label: str) -> Connect:
    return {"program_name": label}


def _context(authority: Authority) -> Connect:
    return {"ssl": authority.context}


def _thread_id(connection: Any) -> int:
    number: int = connection.thread_id()
    return number


_PYMYSQL = Driver(
    name="pymysql",
    package="PyMySQL",
    module="pymysql",
    scheme="mysql+pymysql",
    plain={"ssl_disabled": True},
    encrypted=_context,
    default_tls={},
    labelled=_program_name,
    thread_id=_thread_id,
)
_MYSQLCLIENT = Driver(
    name="mysqlclient",
    package="mysqlclient",
    module="MySQLdb",
    scheme="mysql+mysqldb",
    plain={"ssl_mode": "DISABLED"},
    encrypted=lambda authority: {
        "ssl_mode": "VERIFY_IDENTITY" if authority.context.check_hostname else "VERIFY_CA",
        "ssl": {"ca": authority.file},
    },
    default_tls={"ssl_mode": "REQUIRED"},
    labelled=lambda _label: {},
    thread_id=_thread_id,
    build=_client_library,
)


def _connector(name: str, build: Callable[[], str], *, pure: bool) -> Driver:
    # Said either way: left to itself it passes over an extension that cannot be loaded.
    which = {"use_pure": pure}
    return Driver(
        name=name,
        package="mysql-connector-python",
        module="mysql.connector",
        scheme="mysql+mysqlconnector",
        plain={"ssl_disabled": True, **which},
        encrypted=lambda authority: {"ssl_ca": authority.file, "ssl_verify_cert": True, **which},
        default_tls=which,
        labelled=lambda label: {"conn_attrs": {"program_name": label}},
        thread_id=lambda connection: int(connection.connection_id),
        build=build,
    )


def _asynchronous(name: str, loop: Loop, **more: Any) -> Driver:
    return Driver(
        name=name if loop is Loop.PERSISTENT else f"{name}_run",
        package=name,
        module=name,
        scheme=f"mysql+{name}",
        plain={},
        encrypted=_context,
        labelled=_program_name,
        thread_id=_thread_id,
        loop=loop,
        **more,
    )


_LOOPS = (Loop.PERSISTENT, Loop.PER_INVOCATION)
_ENTRIES = (
    _PYMYSQL,
    _MYSQLCLIENT,
    _connector("mysqlconnector", _extension, pure=False),
    _connector("mysqlconnector_pure", lambda: "pure Python", pure=True),
    *(
        _asynchronous("asyncmy", loop, timeouts=frozenset({"read_timeout"}), build=lambda: "Cython")
        for loop in _LOOPS
    ),
    *(_asynchronous("aiomysql", loop, timeouts=frozenset(), database="db") for loop in _LOOPS),
)
DRIVERS: Mapping[str, Driver] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
DEFAULT = _PYMYSQL.name


def get(name: str) -> Driver:
    """Look up a driver.

    Raises:
        UnknownDriver: a driver of that name does not exist.

    """
    try:
        return DRIVERS[name]
    except KeyError:
        raise UnknownDriver(f"unknown driver {name!r}: there are {', '.join(DRIVERS)}") from None


def of_dialect(name: str) -> Driver | None:
    """Driver that a dialect of SQLAlchemy uses; None: not one for MySQL that is known here."""
    return next((driver for driver in DRIVERS.values() if driver.scheme == f"mysql+{name}"), None)


def versions(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """What each of these drivers is here, by its name."""
    return {name: get(name).describe() for name in names}
