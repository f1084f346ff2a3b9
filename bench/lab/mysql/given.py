"""A server that somebody else runs, named by URL."""

from urllib.parse import unquote, urlsplit

import pymysql

from bench.lab.mysql.server import URL, Server, ServerUnavailable

_DEFAULT_PORT = 3306


class Given:
    """Somebody else's server: used, never stopped."""

    pid = None

    def __init__(self, url: str) -> None:
        """Look who is there; the user must be allowed to create users and a schema.

        Raises:
            ServerUnavailable: the URL is not one, nobody answers, or the credentials are wrong.

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
    form = "mysql://user:password@host:port"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _DEFAULT_PORT
    except ValueError as error:
        raise ServerUnavailable(f"the server's URL is not {form}: {error}") from error
    if parts.scheme.partition("+")[0] not in ("mysql", "mariadb") or not host or not parts.username:
        raise ServerUnavailable(f"the server's URL is not {form}")
    user, password = unquote(parts.username), unquote(parts.password or "")
    try:
        return Server.ask(host=host, port=port, user=user, password=password, source=URL)
    except pymysql.Error as error:
        raise ServerUnavailable(f"the server at {host}:{port} does not let {user} in: {error}") from error
