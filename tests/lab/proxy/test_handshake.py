"""Logins of every client are understood, and garbage is refused as garbage."""

import contextlib
import functools
import hashlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.constants import CLIENT

from poolbench.lab.proxy.handshake import (
    CACHING_SHA2,
    NATIVE,
    OFFERED,
    ClientLogin,
    Greeting,
    authenticate,
    caching_sha2_password,
    native_password,
    new_nonce,
    wants_tls,
)
from poolbench.lab.proxy.protocol import Malformed

sha1 = functools.partial(hashlib.sha1, usedforsecurity=False)
Proof = Callable[[bytes, bytes], bytes]
NONCE = bytes(range(65, 85))


def response(capabilities: int, tail: bytes) -> bytes:
    return (capabilities | CLIENT.PROTOCOL_41).to_bytes(4, "little") + bytes(4) + b"\x2d" + bytes(23) + tail


def test_a_login_tells_user_schema_plugin_and_attributes() -> None:
    attributes = b"\x0cprogram_name\x09queuepool"
    tail = b"app\x00\x03abcshop\x00" + NATIVE + b"\x00" + bytes([len(attributes)]) + attributes
    login = ClientLogin.parse_response(response(OFFERED, tail))
    assert (login.user, login.database, login.plugin, login.auth_response) == ("app", "shop", NATIVE, b"abc")
    assert login.attributes == {"program_name": "queuepool"}
    assert login.charset == 45


def test_an_old_client_leaves_out_plugin_attributes_and_schema() -> None:
    login = ClientLogin.parse_response(response(CLIENT.SECURE_CONNECTION, b"app\x00\x00"))
    assert (login.user, login.database, login.plugin, login.attributes) == ("app", None, b"", {})


def test_capabilities_that_were_not_offered_are_not_granted() -> None:
    login = ClientLogin.parse_response(
        response(OFFERED | CLIENT.COMPRESS | CLIENT.LOCAL_FILES, b"app\x00\x00")
    )
    assert not login.capabilities & (CLIENT.COMPRESS | CLIENT.LOCAL_FILES)


def test_neither_compression_nor_files_of_the_client_are_offered() -> None:
    greeting = Greeting(
        version="8", connection_id=1, nonce=new_nonce(), plugin=NATIVE, status=2, tls=True, charset=45
    )
    low, high = struct.unpack_from("<H3xH", greeting.encode(), 1 + 2 + 4 + 8 + 1)
    offered = low | high << 16
    assert offered & CLIENT.SSL
    assert not offered & (CLIENT.COMPRESS | CLIENT.LOCAL_FILES)


def test_a_change_of_user_tells_the_same() -> None:
    payload = b"\x11other\x00\x02abshop\x00\x2d\x00" + CACHING_SHA2 + b"\x00\x00"
    login = ClientLogin.parse_change_user(payload, OFFERED)
    assert (login.user, login.database, login.charset, login.plugin) == ("other", "shop", 45, CACHING_SHA2)


def test_a_request_for_tls_is_the_fixed_part_alone() -> None:
    assert wants_tls(response(CLIENT.SSL, b""))
    assert not wants_tls(response(CLIENT.SSL, b"app\x00\x00"))
    assert not wants_tls(response(0, b""))


def test_a_client_from_before_4_1_is_told_apart() -> None:
    with pytest.raises(Malformed, match=r"before MySQL 4\.1"):
        ClientLogin.parse_response(bytes(40))


@given(st.binary(max_size=200))
def test_noise_is_malformed_and_nothing_else(noise: bytes) -> None:
    with contextlib.suppress(Malformed):
        ClientLogin.parse_response(response(OFFERED, noise))
    with contextlib.suppress(Malformed):
        ClientLogin.parse_response(noise)
    with contextlib.suppress(Malformed):
        ClientLogin.parse_change_user(b"\x11" + noise, OFFERED)


def finish(method: bytes, password: str | None, plugin: bytes, *answers: bytes) -> tuple[list[bytes], bool]:
    """What the client is sent, and whether it is let in."""
    exchange = authenticate(method, NONCE, password, plugin, answers[0])
    sent: list[bytes] = []
    try:
        sent.append(next(exchange))
        for answer in answers[1:]:
            sent.append(exchange.send(answer))  # noqa: PERF401 (within a generator, StopIteration is an error)
    except StopIteration as end:
        return sent, end.value
    raise AssertionError("it goes on")


METHODS = pytest.mark.parametrize(
    ("method", "proof"), [(NATIVE, native_password), (CACHING_SHA2, caching_sha2_password)]
)


@METHODS
def test_only_the_right_password_opens(method: bytes, proof: Proof) -> None:
    right, wrong = proof(NONCE, b"secret"), proof(NONCE, b"secreT")
    assert finish(method, "secret", method, right) == ([], True)
    assert finish(method, "secret", method, wrong) == ([], False)
    assert finish(method, "secret", method, b"") == ([], False)
    assert finish(method, "", method, b"") == ([], True)
    assert finish(method, "", method, right) == ([], False)


@METHODS
def test_a_user_whom_nobody_knows_is_refused_by_every_proof(method: bytes, proof: Proof) -> None:
    for answer in (b"", proof(NONCE, b""), proof(NONCE, b"secret")):
        assert finish(method, None, method, answer) == ([], False)


@METHODS
def test_another_plugin_is_switched_first(method: bytes, proof: Proof) -> None:
    sent, let_in = finish(method, "secret", b"another_plugin", b"noise", proof(NONCE, b"secret"))
    assert sent == [b"\xfe" + method + b"\x00" + NONCE + b"\x00"]
    assert let_in


def test_the_proof_of_native_password_is_the_one_that_servers_check() -> None:
    """A server keeps SHA1(SHA1(password)) alone, and finds SHA1(password) by it in the proof."""
    proof = native_password(NONCE, b"secret")
    stored = sha1(sha1(b"secret").digest()).digest()
    once = bytes(a ^ b for a, b in zip(proof, sha1(NONCE + stored).digest(), strict=True))
    assert sha1(once).digest() == stored


def test_a_nonce_has_no_byte_that_ends_it_early() -> None:
    nonces = {new_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert all(len(nonce) == 20 and not set(nonce) & {0, ord("$")} for nonce in nonces)
