"""How a client proves that it knows the password. Pure.

An exchange is a generator: it yields payloads for the client, is sent the client's next payload, and returns
whether the client is who it says. The proxy knows the password itself, as RDS Proxy does from Secrets
Manager, so `caching_sha2_password` always takes its fast path and never needs RSA.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Generator
from types import MappingProxyType

from poolbench.lab.proxy.handshake import NONCE_SIZE
from poolbench.lab.proxy.protocol import auth_switch

NATIVE = b"mysql_native_password"
CACHING_SHA2 = b"caching_sha2_password"
CLEAR = b"mysql_clear_password"
FAST_AUTH_SUCCESS = b"\x01\x03"  # comes before OK, and waits for no answer

Exchange = Generator[bytes, bytes, bool]


def new_nonce() -> bytes:
    """Random bytes of which none ends a string (NUL) or is a separator ($) to the server's own plugins."""
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


# By what ClientPasswordAuthType calls them.
METHODS = MappingProxyType({"MYSQL_NATIVE_PASSWORD": NATIVE, "MYSQL_CACHING_SHA2_PASSWORD": CACHING_SHA2})
_RESPONSES: dict[bytes, Callable[[bytes, bytes], bytes]] = {
    NATIVE: native_password,
    CACHING_SHA2: caching_sha2_password,
}


def authenticate(
    method: bytes, nonce: bytes, password: str | None, plugin: bytes, response: bytes
) -> Exchange:
    """Check the `response` that the client's `plugin` made, having it use `method` if it did not.

    A password of None is that of nobody: the exchange is the same, and fails. An empty password is answered
    with nothing, or with a NUL.
    """
    if plugin != method:
        response = yield auth_switch(method, nonce)
    expected = _RESPONSES[method](nonce, password.encode()) if password else b""
    genuine = hmac.compare_digest(response if password else response.rstrip(b"\x00"), expected)
    return genuine and password is not None


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
