"""What proxy and client say to each other before the first command, and how a client proves who it is. Pure.

A password exchange is a generator: it yields payloads for the client, is sent the client's next payload, and
returns whether the client is genuine. The proxy knows the password itself, as RDS Proxy does from Secrets
Manager, so `caching_sha2_password` always takes its fast path and never needs RSA.

Tokens take the place of a password, as with IAM authentication: AWS signs a URL (SigV4, valid for 15 minutes)
and RDS Proxy asks for it by `mysql_clear_password`, over TLS only. Here the signature is an HMAC of user and
expiry, with a key that the proxy and its clients share. It is accepted without TLS, too, for campaigns that
use none.
"""

import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from time import time
from types import MappingProxyType
from typing import Self

from pymysql.constants import CLIENT

from poolbench.lab.proxy.protocol import Malformed, auth_switch, read_bytes, read_integer, read_terminated

# Not offered: COMPRESS (packets must stay readable), LOCAL_FILES (LOAD DATA LOCAL would ask the client for
# files), DEPRECATE_EOF, SESSION_TRACK and QUERY_ATTRIBUTES (every client then gets the same framing).
# LONG_PASSWORD stays on: without it, MariaDB's connectors parse a later field as more capabilities.
OFFERED = (
    CLIENT.CAPABILITIES
    | CLIENT.FOUND_ROWS
    | CLIENT.CONNECT_WITH_DB
    | CLIENT.IGNORE_SPACE
    | CLIENT.INTERACTIVE
    | CLIENT.IGNORE_SIGPIPE
    | CLIENT.MULTI_STATEMENTS
    | CLIENT.PS_MULTI_RESULTS
)
# Capabilities that change what a statement does: where these differ, no database connection is shared.
SEMANTIC = CLIENT.FOUND_ROWS | CLIENT.IGNORE_SPACE | CLIENT.MULTI_STATEMENTS | CLIENT.PS_MULTI_RESULTS
NONCE_SIZE = 20

_RESPONSE = struct.Struct("<IIB23x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """First packet of a connection: HandshakeV10."""

    version: str
    connection_id: int
    nonce: bytes  # NONCE_SIZE bytes, none of them NUL
    plugin: bytes
    status: int
    tls: bool
    charset: int  # id of the server's default collation; only its low byte fits

    def encode(self) -> bytes:
        """Return the payload."""
        capabilities = OFFERED | (CLIENT.SSL if self.tls else 0)
        return b"".join(
            (
                b"\x0a",
                self.version.encode(),
                b"\x00",
                self.connection_id.to_bytes(4, "little"),
                self.nonce[:8],
                b"\x00",
                (capabilities & 0xFFFF).to_bytes(2, "little"),
                bytes([self.charset & 0xFF]),
                self.status.to_bytes(2, "little"),
                (capabilities >> 16).to_bytes(2, "little"),
                bytes([NONCE_SIZE + 1]),
                bytes(10),
                self.nonce[8:],
                b"\x00",
                self.plugin,
                b"\x00",
            )
        )


def wants_tls(payload: bytes) -> bool:
    """Whether this is an SSLRequest: the fixed part of a response, with the SSL capability, and no more."""
    return len(payload) == _RESPONSE.size and bool(int.from_bytes(payload[:4], "little") & CLIENT.SSL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLogin:
    """What a client says about itself, in the handshake or in COM_CHANGE_USER."""

    capabilities: int  # of the offered ones, those that the client has too
    charset: int  # id of a collation
    user: str
    auth_response: bytes = field(repr=False)
    database: str | None
    plugin: bytes  # empty: the client did not say
    attributes: dict[str, str]

    @classmethod
    def parse_response(cls, payload: bytes) -> Self:
        """Parse a HandshakeResponse41.

        Raises:
            Malformed: it is not one.

        """
        if len(payload) < _RESPONSE.size:
            raise Malformed(f"a handshake response of {len(payload)} bytes")
        capabilities, _, charset = _RESPONSE.unpack_from(payload)
        if not capabilities & CLIENT.PROTOCOL_41:
            raise Malformed("the client speaks the protocol from before MySQL 4.1")
        capabilities &= OFFERED
        user, at = read_terminated(payload, _RESPONSE.size)
        if capabilities & CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA:
            auth_response, at = read_bytes(payload, at)
        else:
            auth_response, at = _read_short(payload, at)
        database = None
        if capabilities & CLIENT.CONNECT_WITH_DB and at < len(payload):
            database, at = read_terminated(payload, at)
        plugin, attributes = _parse_tail(payload, at, capabilities)
        return cls(
            capabilities=capabilities,
            charset=charset,
            user=_text(user),
            auth_response=auth_response,
            database=_text(database) if database else None,
            plugin=plugin,
            attributes=attributes,
        )

    @classmethod
    def parse_change_user(cls, payload: bytes, capabilities: int) -> Self:
        """Parse a COM_CHANGE_USER of a client with these capabilities.

        Raises:
            Malformed: it is not one.

        """
        user, at = read_terminated(payload, 1)
        auth_response, at = _read_short(payload, at)
        database, at = read_terminated(payload, at)
        charset = int.from_bytes(payload[at : at + 2], "little")
        plugin, attributes = _parse_tail(payload, at + 2, capabilities)
        return cls(
            capabilities=capabilities,
            charset=charset,
            user=_text(user),
            auth_response=auth_response,
            database=_text(database) or None,
            plugin=plugin,
            attributes=attributes,
        )


def _parse_tail(payload: bytes, at: int, capabilities: int) -> tuple[bytes, dict[str, str]]:
    """Plugin and connection attributes, which end both kinds of login; older clients leave them out."""
    plugin, attributes = b"", dict[str, str]()
    if capabilities & CLIENT.PLUGIN_AUTH and at < len(payload):
        # Some clients omit the last NUL.
        plugin, at = read_terminated(payload + b"\x00", at)
    if capabilities & CLIENT.CONNECT_ATTRS and at < len(payload):
        length, at = read_integer(payload, at)
        block = payload[at : at + length]
        at = 0
        while at < len(block):
            key, at = read_bytes(block, at)
            value, at = read_bytes(block, at)
            attributes[_text(key)] = _text(value)
    return plugin, attributes


def _read_short(payload: bytes, at: int) -> tuple[bytes, int]:
    length = payload[at] if at < len(payload) else 0
    if at + 1 + length > len(payload):
        raise Malformed("the authentication data does not fit")
    return payload[at + 1 : at + 1 + length], at + 1 + length


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


NATIVE = b"mysql_native_password"
CACHING_SHA2 = b"caching_sha2_password"
CLEAR = b"mysql_clear_password"
FAST_AUTH_SUCCESS = b"\x01\x03"  # comes before OK, and waits for no answer

Exchange = Generator[bytes, bytes, bool]


def new_nonce() -> bytes:
    """Random bytes without NUL, which ends strings, and $, a separator in the server's own plugins."""
    return bytes(secrets.choice(range(37, 128)) for _ in range(NONCE_SIZE))


def native_password(nonce: bytes, password: bytes) -> bytes:
    """Return SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password)))."""
    once = hashlib.sha1(password, usedforsecurity=False).digest()
    twice = hashlib.sha1(once, usedforsecurity=False).digest()
    return _xor(once, hashlib.sha1(nonce + twice, usedforsecurity=False).digest())


def caching_sha2_password(nonce: bytes, password: bytes) -> bytes:
    """Return SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce)."""
    once = hashlib.sha256(password).digest()
    twice = hashlib.sha256(once).digest()
    return _xor(once, hashlib.sha256(twice + nonce).digest())


# By their names in ClientPasswordAuthType.
METHODS = MappingProxyType({"MYSQL_NATIVE_PASSWORD": NATIVE, "MYSQL_CACHING_SHA2_PASSWORD": CACHING_SHA2})
_RESPONSES: dict[bytes, Callable[[bytes, bytes], bytes]] = {
    NATIVE: native_password,
    CACHING_SHA2: caching_sha2_password,
}


def authenticate(
    method: bytes, nonce: bytes, password: str | None, plugin: bytes, response: bytes
) -> Exchange:
    """Check the `response` that the client's `plugin` made, having it use `method` if it did not.

    For an unknown user (password None) the exchange is the same, and fails. An empty password is answered
    with nothing, or with a NUL.
    """
    if plugin != method:
        response = yield auth_switch(method, nonce)
    expected = _RESPONSES[method](nonce, password.encode()) if password else b""
    genuine = hmac.compare_digest(response if password else response.rstrip(b"\x00"), expected)
    return genuine and password is not None


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


VALID_S = 900.0  # as for AWS's tokens


@dataclass(frozen=True, slots=True)
class Tokens:
    """Key for one user's tokens; a token is `expiry in ms since the epoch:signature`."""

    key: str = field(repr=False)
    valid_s: float = VALID_S

    def issue(self, user: str) -> str:
        """Make a token that is valid from now on."""
        return self._sign(user, round((time() + self.valid_s) * 1e3))

    def accept(self, user: str, token: str) -> bool:
        """Whether a token is genuine, belongs to that user, and has not expired."""
        expiry, colon, _ = token.partition(":")
        if not (colon and expiry.isdecimal() and expiry.isascii()):
            return False
        genuine = hmac.compare_digest(self._sign(user, int(expiry)).encode(), token.encode())
        return genuine and time() * 1e3 < int(expiry)

    def _sign(self, user: str, expiry_ms: int) -> str:
        text = f"{user}:{expiry_ms}"
        return f"{expiry_ms}:{hmac.new(self.key.encode(), text.encode(), hashlib.sha256).hexdigest()}"
