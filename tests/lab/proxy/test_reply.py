"""An answer's end is seen where it is, however its bytes are cut, and nonsense is named as such."""

import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.constants import COMMAND

from poolbench.lab.proxy.protocol import MAX_PAYLOAD, Malformed, ServerReply, packet
from tests.lab.proxy.packets import CUTS, cut, definition, eof, err, frame, ok, result_set

MORE = 2 | 8
CURSOR = 2 | 64
ROWS = st.lists(st.binary(max_size=40).map(lambda value: bytes([len(value)]) + value), max_size=8)
STATUS = st.integers(0, 0xFFFF).map(lambda status: status & ~(8 | 64))


@st.composite
def query_answers(draw: st.DrawFn) -> tuple[list[bytes], int, int]:
    """Payloads of an answer to COM_QUERY, and the status and the error code that it ends with."""
    payloads: list[bytes] = []
    for _ in range(draw(st.integers(0, 2))):
        payloads += draw(st.sampled_from([[ok(MORE)], result_set([b"\x01x"], MORE)]))
    last_status = MORE if payloads else -1
    status = draw(STATUS)
    match draw(st.sampled_from(["ok", "rows", "error", "error in rows"])):
        case "ok":
            return [*payloads, ok(status, b"\xfc\x10\x27", b"\xfe" + bytes(8), b"info")], status, 0
        case "rows":
            return [*payloads, *result_set(draw(ROWS), status, draw(st.integers(1, 4)))], status, 0
        case "error":
            return [*payloads, err(1317)], last_status, 1317
        case _:
            return [*payloads, b"\x01", definition(), eof(2), b"\x01x", err(1205)], 2, 1205


def feed(reply: ServerReply, pieces: Sequence[bytes]) -> list[bool]:
    return [reply.feed(piece) for piece in pieces]


@given(query_answers(), CUTS)
def test_the_end_of_an_answer_is_found_wherever_it_is_cut(
    answer: tuple[list[bytes], int, int], cuts: list[int]
) -> None:
    payloads, status, error = answer
    pieces = cut(frame(payloads), cuts)
    reply = ServerReply()
    reply.begin(COMMAND.COM_QUERY)
    ends = feed(reply, pieces)
    assert ends == [False] * (len(pieces) - 1) + [True]
    assert (reply.status, reply.error) == (status, error)


def test_every_single_cut_of_a_result_set_gives_the_same() -> None:
    data = frame(result_set([b"\x05value", b"\xfb", b"\x00"], status=1, columns=2))
    for at in range(1, len(data)):
        reply = ServerReply()
        reply.begin(COMMAND.COM_QUERY)
        assert feed(reply, [data[:at], data[at:]]) == [False, True]
        assert reply.status == 1


@given(st.sampled_from([0, 1, 2]), st.sampled_from([0, 1, 3]), CUTS)
def test_a_prepared_statement_brings_as_many_definitions_as_it_says(
    columns: int, parameters: int, cuts: list[int]
) -> None:
    head = b"\x00" + (7).to_bytes(4, "little") + bytes([columns, 0, parameters, 0, 0, 0, 0])
    payloads = [head]
    for count in (parameters, columns):
        payloads += [definition()] * count + ([eof()] if count else [])
    pieces = cut(frame(payloads), cuts)
    reply = ServerReply()
    reply.begin(COMMAND.COM_STMT_PREPARE)
    assert feed(reply, pieces) == [False] * (len(pieces) - 1) + [True]


def test_with_a_cursor_the_rows_come_later() -> None:
    reply = ServerReply()
    reply.begin(COMMAND.COM_STMT_EXECUTE)
    assert reply.feed(frame([b"\x01", definition(), eof(CURSOR)]))
    reply.begin(COMMAND.COM_STMT_FETCH)
    assert reply.feed(frame([b"\x00\x00\x01x", eof(2 | 128)]))


def test_a_row_of_sixteen_megabytes_is_one_row_and_its_bytes_are_not_packets() -> None:
    inside = frame([eof()])  # looks like the end, and is data
    first = packet(4, b"\xfd" + inside * (MAX_PAYLOAD // len(inside) + 1))[: MAX_PAYLOAD + 4]
    first = (MAX_PAYLOAD | 4 << 24).to_bytes(4, "little") + first[4:]
    head = frame([b"\x01", definition(), eof()])
    reply = ServerReply()
    reply.begin(COMMAND.COM_QUERY)
    assert not reply.feed(head + first)
    assert not reply.feed(packet(5, eof()))  # the continuation, of five bytes
    assert reply.feed(packet(6, eof(1)))
    assert reply.status == 1


def test_a_row_that_begins_like_eof_is_a_row() -> None:
    reply = ServerReply()
    reply.begin(COMMAND.COM_QUERY)
    assert not reply.feed(frame([b"\x01", definition(), eof(), b"\xfe" + bytes(8) + b"x"]))


def test_statistics_are_one_packet_whatever_it_holds() -> None:
    reply = ServerReply()
    reply.begin(COMMAND.COM_STATISTICS)
    assert reply.feed(packet(1, b"Uptime: 4  Threads: 1"))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (frame([b"\xfbfile"]), "asks for a file"),
        (frame([ok(), ok()]), "behind the end"),
        (packet(1, b"") + packet(2, b"\x00"), "empty packet"),
        (frame([b"\x01", definition(), b"\x00" * 5]), "in place of EOF"),
        (frame([b"\x00\x00"]), "no length-encoded integer"),
        (frame([b"\x00\x00\x00\x02"]), "without its status"),
    ],
)
def test_what_no_server_says_is_malformed(data: bytes, what: str) -> None:
    reply = ServerReply()
    reply.begin(COMMAND.COM_QUERY)
    with pytest.raises(Malformed, match=what):
        reply.feed(data)


@given(
    st.sampled_from([COMMAND.COM_QUERY, COMMAND.COM_STMT_PREPARE, COMMAND.COM_STMT_FETCH, COMMAND.COM_PING]),
    st.lists(st.binary(max_size=60), max_size=6),
)
def test_noise_is_malformed_or_unfinished_but_never_anything_else(command: int, pieces: list[bytes]) -> None:
    reply = ServerReply()
    reply.begin(command)
    with contextlib.suppress(Malformed):
        feed(reply, pieces)
