"""What proxy and client say to each other before the first command. Pure."""

import struct
from dataclasses import dataclass, field
from typing import Self

from pymysql.constants import CLIENT

from poolbench.lab.proxy.protocol import Malformed, read_bytes, read_integer, read_terminated

# Not offered: COMPRESS (packets must stay readable), LOCAL_FILES (LOAD DATA LOCAL would ask the client for
# files), DEPRECATE_EOF, SESSION_TRACK and QUERY_ATTRIBUTES (every client then gets the same framing).
# LONG_PASSWORD stays on: without it, MariaDB's connectors take a later field for more capabilities.
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
class Login:
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
        # Some clients leave the last NUL away.
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
