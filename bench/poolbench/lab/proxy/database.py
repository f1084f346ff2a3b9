"""The database behind a proxy: where it is, what its sessions have in common, and how it fails. Pure."""

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Backend:
    """Where the database is, and the user with which the proxy looks at its settings.

    Attributes:
        authority: PEM file; where it is given TLS is spoken, and the server's certificate must be from it.
        check_hostname: the certificate must name `host`, too.

    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    authority: str | None = None
    check_hostname: bool = True


class Identity(NamedTuple):
    """What two sessions must have in common to use the same database connection one after the other."""

    user: str
    capabilities: int  # of handshake.SEMANTIC
