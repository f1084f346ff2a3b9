"""Who a client is: the greeting and the authentication."""

import asyncio
from dataclasses import replace

from pymysql.constants import ER

from poolbench.lab.proxy.context import ProxyContext
from poolbench.lab.proxy.errors import Refused
from poolbench.lab.proxy.handshake import (
    CACHING_SHA2,
    CLEAR,
    FAST_AUTH_SUCCESS,
    METHODS,
    ClientLogin,
    Greeting,
    Tokens,
    authenticate,
    new_nonce,
    wants_tls,
)
from poolbench.lab.proxy.protocol import AUTOCOMMIT, auth_switch
from poolbench.lab.proxy.transport import ClientLine

LOGIN_TIMEOUT_S = 10  # MySQL's connect_timeout
TLS_REQUIRED = (3159, "HY000", "This RDS Proxy requires TLS connections")  # RDS Proxy's own words


async def log_in(line: ClientLine, context: ProxyContext) -> ClientLogin:
    """Greet a client and have it authenticate; all but the OK packet.

    Raises:
        Refused: it is not who it says.
        Malformed: it does not speak the protocol.
        ConnectionError: it has gone.
        TimeoutError: it takes longer than LOGIN_TIMEOUT_S.

    """
    async with asyncio.timeout(LOGIN_TIMEOUT_S):
        return await _log_in(line, context)


async def _log_in(line: ClientLine, context: ProxyContext) -> ClientLogin:
    nonce = new_nonce()
    greeting = Greeting(
        version=context.facts.version,
        connection_id=line.id,
        nonce=nonce,
        plugin=METHODS[context.settings.client_password_auth_type],
        status=AUTOCOMMIT if context.facts.autocommit else 0,
        tls=context.tls is not None,
        charset=context.facts.charset,
    )
    line.send_payload(greeting.encode())
    payload = await line.read_packet()
    if context.tls and wants_tls(payload):
        line.start_tls(context.tls)
        payload = await line.read_packet()
    elif context.settings.require_tls:
        raise Refused(*TLS_REQUIRED)
    login = ClientLogin.parse_response(payload)
    await _check(line, context, nonce, login)
    return login


async def change_user(
    line: ClientLine, context: ProxyContext, payload: bytes, capabilities: int
) -> ClientLogin:
    """Authenticate a client anew, by COM_CHANGE_USER; all but the OK packet.

    Raises:
        Refused: it is not who it says.
        Malformed: it does not speak the protocol.
        ConnectionError: it has gone.
        TimeoutError: it takes longer than LOGIN_TIMEOUT_S.

    """
    login = ClientLogin.parse_change_user(payload, capabilities)
    # The client used the greeting's nonce, which is not kept, so it has to authenticate with a new one.
    async with asyncio.timeout(LOGIN_TIMEOUT_S):
        await _check(line, context, new_nonce(), replace(login, plugin=b""))
    return login


async def _check(line: ClientLine, context: ProxyContext, nonce: bytes, login: ClientLogin) -> None:
    if tokens := context.tokens.get(login.user):
        await _check_token(line, tokens, login.user)
        return
    method = METHODS[context.settings.client_password_auth_type]
    password = context.accounts.get(login.user)
    exchange = authenticate(method, nonce, password, login.plugin, login.auth_response)
    answered = login.auth_response
    try:
        payload = next(exchange)
        while True:
            line.send_payload(payload)
            answered = await line.read_packet()
            payload = exchange.send(answered)
    except StopIteration as end:
        genuine = bool(end.value)
    if not genuine:
        raise _denied(login.user, answered)
    if method == CACHING_SHA2:
        line.send_payload(FAST_AUTH_SUCCESS)


async def _check_token(line: ClientLine, tokens: Tokens, user: str) -> None:
    line.send_payload(auth_switch(CLEAR, b""))
    answered = await line.read_packet()
    if not tokens.accept(user, answered.rstrip(b"\x00").decode(errors="replace")):
        raise _denied(user, answered)


def refuse(line: ClientLine, context: ProxyContext, refused: Refused) -> None:
    """Send a client the error and end the connection."""
    context.metrics.failed_auth += refused.code == ER.ACCESS_DENIED_ERROR
    line.send_payload(refused.payload())
    line.end("login refused")


def _denied(user: str, answered: bytes) -> Refused:
    used = "YES" if answered.rstrip(b"\x00") else "NO"
    text = f"Access denied for user '{user}' (using password: {used})"
    return Refused(ER.ACCESS_DENIED_ERROR, "28000", text)
