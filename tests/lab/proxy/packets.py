"""Answers as a server sends them, made by hand, and their pieces."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import strategies as st

from poolbench.lab.proxy.protocol import packet


def ok(status: int = 2, affected: bytes = b"\x00", insert_id: bytes = b"\x00", info: bytes = b"") -> bytes:
    return b"\x00" + affected + insert_id + status.to_bytes(2, "little") + b"\x00\x00" + info


def eof(status: int = 2) -> bytes:
    return b"\xfe\x00\x00" + status.to_bytes(2, "little")


def err(code: int = 1064, message: bytes = b"You have an error") -> bytes:
    return b"\xff" + code.to_bytes(2, "little") + b"#42000" + message


def definition(name: bytes = b"v") -> bytes:
    return b"\x03def\x01s\x01t\x01t" + bytes([len(name)]) + name + name + b"\x0c" + bytes(12)


def result_set(rows: Sequence[bytes], status: int = 2, columns: int = 1) -> list[bytes]:
    return [bytes([columns]), *(definition() for _ in range(columns)), eof(status), *rows, eof(status)]


def frame(payloads: Sequence[bytes]) -> bytes:
    return b"".join(packet(number, payload) for number, payload in enumerate(payloads, 1))


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """Pieces of `data`, cut at these offsets."""
    cuts = sorted({0, len(data), *(offset % (len(data) + 1) for offset in at)})
    return [data[start:end] for start, end in pairwise(cuts)]


CUTS = st.lists(st.integers(min_value=0, max_value=1 << 20), max_size=12)
