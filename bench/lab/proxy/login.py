"""Who a client is: the greeting and the authentication."""

from collections.abc import Mapping
from typing import Protocol

from pymysql.constants import ER

from bench.lab.proxy.auth import authenticate, new_nonce
from bench.lab.proxy.context import Context
from bench.lab.proxy.handshake import Greeting, Login
from bench.lab.proxy.protocol import AUTOCOMMIT


class Refused(Exception):
    """The client may not come in; code, SQLSTATE and message are what it is told."""

    def __init__(self, code: int, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.code, self.sqlstate = code, sqlstate


class Line(Protocol):
    """The client, packet by packet."""

    id: int

    async def read_packet(self) -> bytes:
        """Payload of the next packet."""

    def send_payload(self, payload: bytes) -> None:
        """Send a packet."""


async def log_in(line: Line, context: Context) -> Login:
    """Greet a client and have it authenticate.

    Raises:
        Refused: it is not who it says.
        Malformed: it does not speak the protocol.
        ConnectionError: it has gone.

    """
    nonce = new_nonce()
    greeting = Greeting(
        version=context.facts.version,
        connection_id=line.id,
        nonce=nonce,
        plugin=context.auth_method,
        status=AUTOCOMMIT if context.facts.autocommit else 0,
        tls=False,
        charset=context.facts.charset,
    )
    line.send_payload(greeting.encode())
    login = Login.parse_response(await line.read_packet())
    await _check(line, context, nonce, login)
    return login


async def change_user(line: Line, context: Context, payload: bytes, capabilities: int) -> Login:
    """Authenticate a client anew, by COM_CHANGE_USER. What it sends is of an older nonce, so it is asked again.

    Raises:
        Refused: it is not who it says.
        Malformed: it does not speak the protocol.
        ConnectionError: it has gone.

    """
    login = Login.parse_change_user(payload, capabilities)
    await _check(line, context, new_nonce(), login, known_nonce=False)
    return login


async def _check(
    line: Line, context: Context, nonce: bytes, login: Login, *, known_nonce: bool = True
) -> None:
    plugin = login.plugin if known_nonce else b""
    accounts: Mapping[str, str] = context.accounts
    exchange = authenticate(context.auth_method, nonce, accounts.get(login.user), plugin, login.auth_response)
    try:
        payload = next(exchange)
        while True:
            line.send_payload(payload)
            payload = exchange.send(await line.read_packet())
    except StopIteration as end:
        if end.value:
            return
    used = "YES" if login.auth_response else "NO"
    raise Refused(
        ER.ACCESS_DENIED_ERROR, "28000", f"Access denied for user '{login.user}' (using password: {used})"
    )
