"""A server that somebody else runs, named by URL."""

import ssl
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql

from poolbench.lab.mysql.server import URL, BadServer, Server, ServerUnavailable

_DEFAULT_PORT = 3306
# Of a URL's query, as SQLAlchemy has them: a PEM file that the server's certificate is checked by, and
# whether that must name the URL's host, which it cannot where the way is a tunnel (`ssh -L`).
AUTHORITY, CHECK_HOSTNAME = "ssl_ca", "ssl_check_hostname"
_CHOICES = {"true": True, "1": True, "false": False, "0": False}


class Given:
    """Somebody else's server: used, never stopped."""

    pid = None

    def __init__(self, url: str) -> None:
        """Look who is there; the user must be allowed to create users and a schema.

        Raises:
            BadServer: the URL is not one.
            ServerUnavailable: nobody answers, or the credentials are wrong.

        """
        self.server = _ask(url)

    def restart(self) -> None:
        """Refuse.

        Raises:
            ServerUnavailable: always.

        """
        raise ServerUnavailable(
            "a server named by URL is not ours to stop; name no URL, and the lab runs one"
        )

    kill = restart


def _ask(url: str) -> Server:
    # Nothing of the URL is shown: where its password is not escaped, parts of it pass for the port.
    wrong = BadServer(
        "the server's URL is not mysql://user:password@host:port; in user and password, characters such as "
        "@ : / are written %40 %3A %2F"
    )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _DEFAULT_PORT
    except ValueError as error:
        raise wrong from error
    if parts.scheme.partition("+")[0] not in ("mysql", "mariadb") or not host or not parts.username:
        raise wrong
    user, password = unquote(parts.username), unquote(parts.password or "")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    authority = query.get(AUTHORITY)
    tls_ca = Path(authority).absolute() if authority else None
    check_hostname = _CHOICES.get(query.get(CHECK_HOSTNAME, "true").lower())
    if check_hostname is None:
        raise BadServer(f"{CHECK_HOSTNAME} of the server's URL is neither true nor false")
    try:
        return Server.ask(
            host=host,
            port=port,
            user=user,
            password=password,
            source=URL,
            tls_ca=tls_ca,
            check_hostname=check_hostname,
        )
    except pymysql.Error as error:
        reason = getattr(error, "original_exception", None)  # of the socket, or of TLS on it
        if isinstance(reason, OSError) and not isinstance(reason, ssl.SSLError):
            raise ServerUnavailable(f"nothing answers at {host}:{port}: {error.args[1]}") from error
        way_out = "" if tls_ca else f"; if it wants TLS, end its URL in ?{AUTHORITY}=FILE"
        if "mismatch" in str(error):  # of name or address, in OpenSSL's words
            way_out = f"; if this is a tunnel to it, end its URL in &{CHECK_HOSTNAME}=false"
        raise ServerUnavailable(
            f"the server at {host}:{port} does not let {user} in: {error}{way_out}"
        ) from error
    except OSError as error:
        raise ServerUnavailable(f"{AUTHORITY}={tls_ca}: no authority's certificate: {error}") from error
