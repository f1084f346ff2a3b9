"""Internals of other packages that the lab relies on, checked when a part of it starts."""

import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from pymysql.connections import Connection

# What `moto_app` uses: by file of the package, patterns of its source. To import moto takes a second.
_MOTO = {
    "moto/moto_server/werkzeug_app.py": ("class DomainDispatcherApplication", "def create_backend_app"),
    "moto/core/config.py": ("default_user_config", "execute_state_machine"),
}
# What a socket that stands in for PyMySQL's is asked for (`proxy.database`), by method of its Connection.
_PYMYSQL = {
    "__init__": ("ctx",),
    "connect": ("makefile",),
    "_request_authentication": ("ctx", "wrap_socket", "makefile"),
    "_read_bytes": ("_rfile", "read"),
    "_write_bytes": ("_sock", "sendall"),
}


class MissingInternals(RuntimeError):
    """A release of a package lacks what the lab relies on; the message names both, and the cure."""


def check_moto() -> None:
    """Check that moto has the internals that the AWS stand-in uses.

    Raises:
        MissingInternals: something is missing.

    """
    _check("moto", "moto>=5.0.20,<6", _missing_text("moto", _MOTO))


def check_pymysql() -> None:
    """Check that PyMySQL has the internals that the proxy uses to log in to a database.

    Raises:
        MissingInternals: something is missing.

    """
    _check("PyMySQL", "pymysql>=1.1,<2", _missing_names(Connection, _PYMYSQL))


def _check(package: str, requirement: str, missing: Iterable[str]) -> None:
    if lacking := ", ".join(missing):
        raise MissingInternals(
            f"{package} {metadata.version(package)} lacks {lacking}, which the lab relies on; "
            f"install a release that has it: pip install '{requirement}'"
        )


def _missing_text(package: str, wanted: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    distribution = metadata.distribution(package)
    for name, texts in wanted.items():
        file = Path(str(distribution.locate_file(name)))
        source = file.read_text(encoding="utf-8") if file.is_file() else ""
        yield from (f"{text} in {name}" for text in texts if not re.search(rf"\b{re.escape(text)}\b", source))


def _missing_names(cls: type, wanted: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    for method, names in wanted.items():
        code = getattr(getattr(cls, method, None), "__code__", None)
        used = code.co_names if code else ()
        yield from (f"{name} in {cls.__name__}.{method}" for name in names if name not in used)
