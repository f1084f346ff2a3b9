"""Packets of the MySQL protocol: how they are framed, and the few that the proxy writes itself. Pure.

A packet is a header of 4 bytes (payload length in 3, little-endian, then the sequence number) and its
payload; a payload of 0xFFFFFF bytes is continued in the next packet. See "MySQL Client/Server Protocol" in
the MySQL Source Code Documentation, of which the names here are taken.
"""

from pymysql.constants import SERVER_STATUS

HEADER_SIZE = 4
MAX_PAYLOAD = 0xFF_FF_FF

OK, EOF, ERR = 0x00, 0xFE, 0xFF  # first byte of the payload
LOCAL_INFILE = 0xFB

COM_RESET_CONNECTION = 0x1F  # which PyMySQL does not list

# The value of SERVER_STATUS_AUTOCOMMIT and its like, as plain numbers for the inner loops.
IN_TRANSACTION = SERVER_STATUS.SERVER_STATUS_IN_TRANS
AUTOCOMMIT = SERVER_STATUS.SERVER_STATUS_AUTOCOMMIT
MORE_RESULTS = SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS
CURSOR_EXISTS = SERVER_STATUS.SERVER_STATUS_CURSOR_EXISTS


class Malformed(Exception):
    """Bytes that do not follow the protocol."""


def payload_length(data: bytes, at: int = 0) -> int:
    """Payload length in the header at offset `at`; the header must be there."""
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16


def packet(sequence: int, payload: bytes) -> bytes:
    """Frame a payload shorter than MAX_PAYLOAD."""
    return (len(payload) | (sequence & 0xFF) << 24).to_bytes(HEADER_SIZE, "little") + payload


def ok_payload(status: int) -> bytes:
    """OK: no rows affected, nothing inserted."""
    return b"\x00\x00\x00" + status.to_bytes(2, "little") + b"\x00\x00"


def ok(sequence: int, status: int) -> bytes:
    """OK packet."""
    return packet(sequence, ok_payload(status))


def error_payload(code: int, sqlstate: str, message: str) -> bytes:
    """ERR, with the server's own codes and SQLSTATEs."""
    return b"\xff" + code.to_bytes(2, "little") + f"#{sqlstate}{message}".encode()


def error(sequence: int, code: int, sqlstate: str, message: str) -> bytes:
    """ERR packet."""
    return packet(sequence, error_payload(code, sqlstate, message))


def auth_switch(plugin: bytes, nonce: bytes) -> bytes:
    """Payload that asks the client to authenticate with another plugin."""
    return b"\xfe" + plugin + b"\x00" + nonce + b"\x00"


def read_integer(data: bytes, at: int) -> tuple[int, int]:
    """Length-encoded integer at offset `at`, and the offset behind it.

    Raises:
        Malformed: it is not one, or does not end within `data`.

    """
    first = data[at] if at < len(data) else 0xFF
    if first < 0xFB:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first)
    if size is None or at + 1 + size > len(data):
        raise Malformed(f"no length-encoded integer at {at}")
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Length-encoded string at offset `at`, and the offset behind it.

    Raises:
        Malformed: it does not end within `data`.

    """
    length, at = read_integer(data, at)
    if at + length > len(data):
        raise Malformed(f"a string of {length} bytes at {at} does not fit")
    return data[at : at + length], at + length


def read_terminated(data: bytes, at: int) -> tuple[bytes, int]:
    """NUL-terminated string at offset `at`, and the offset behind it.

    Raises:
        Malformed: it does not end within `data`.

    """
    end = data.find(b"\x00", at)
    if end < 0:
        raise Malformed(f"the string at {at} does not end")
    return data[at:end], end + 1
