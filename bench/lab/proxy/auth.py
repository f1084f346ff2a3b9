"""How a client proves that it knows the password. Pure.

A method is a generator: it yields payloads for the client, is sent the client's next payload, and returns
whether the client is who it says. The proxy knows the password itself, as RDS Proxy does from Secrets Manager.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Generator

from bench.lab.proxy.handshake import NONCE_SIZE
from bench.lab.proxy.protocol import auth_switch

NATIVE = b"mysql_native_password"

Exchange = Generator[bytes, bytes, bool]


def new_nonce() -> bytes:
    """Random bytes of which none ends a string (NUL) or, in old clients, a number of columns ($)."""
    return bytes(secrets.choice(range(37, 128)) for _ in range(NONCE_SIZE))


def native_password(nonce: bytes, password: bytes) -> bytes:
    """Return SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password))); nothing for an empty password."""
    if not password:
        return b""
    once = hashlib.sha1(password, usedforsecurity=False).digest()
    twice = hashlib.sha1(once, usedforsecurity=False).digest()
    return _xor(once, hashlib.sha1(nonce + twice, usedforsecurity=False).digest())


SCRAMBLES: dict[bytes, Callable[[bytes, bytes], bytes]] = {NATIVE: native_password}


def authenticate(
    method: bytes, nonce: bytes, password: str | None, plugin: bytes, response: bytes
) -> Exchange:
    """Check the `response` that the client's `plugin` made, having it use `method` if it did not.

    A password of None is that of nobody: the exchange is the same, and fails.
    """
    if plugin != method:
        response = yield auth_switch(method, nonce)
    expected = SCRAMBLES[method](nonce, (password or "").encode())
    return hmac.compare_digest(response, expected) and password is not None


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
