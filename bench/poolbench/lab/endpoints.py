"""Where a lab's parts are, and who may come in: what those need who set up functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from poolbench.lab.proxy import Failure, Tokens

USUAL = Failure.IDLE_CLOSE.value
# Failures that need nobody to switch them on: each has a port of the proxy to itself.
STANDING: Mapping[str, Failure] = MappingProxyType(
    {
        failure.value: failure
        for failure in (Failure.IDLE_CLOSE, Failure.IDLE_ERROR, Failure.IDLE_RESET, Failure.BLACK_HOLE)
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A database user, and the schema that it works in."""

    user: str
    password: str = field(repr=False)
    schema: str

    def url(self, at: str) -> str:
        """URL for SQLAlchemy, with the password; `at` is host:port."""
        user, password = quote(self.user, safe=""), quote(self.password, safe="")
        return f"mysql+pymysql://{user}:{password}@{at}/{self.schema}?charset=utf8mb4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where things are."""

    proxies: Mapping[str, str]  # host:port, by the name of the listener
    proxy_control_url: str
    database: str  # host:port
    application: Login  # known to the server and to the proxy
    sampler: Login  # sees everybody's connections, where the server is the lab's
    authorities: Path | None = None  # of the certificates of proxy and server; None: they are not to be used
    database_wants_tls: bool = False  # of everybody
    check_hostname: bool = True  # whether certificates must name the host; not through a tunnel
    token_user: str = ""  # comes in with tokens in place of a password; none on somebody's own database
    tokens: Tokens | None = None
