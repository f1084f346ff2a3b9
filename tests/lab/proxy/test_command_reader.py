"""Commands come out as they went in, however their bytes are cut, and long ones in parts."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.lab.proxy.commands import WHOLE_LIMIT, CommandReader
from poolbench.lab.proxy.protocol import MAX_PAYLOAD, Malformed, packet
from tests.lab.proxy.packets import CUTS, cut

COMMANDS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=50),
        st.integers(WHOLE_LIMIT - 1, WHOLE_LIMIT + 2000).map(lambda size: b"\x03" + b"x" * size),
    ),
    min_size=1,
    max_size=5,
)


def read_all(reader: CommandReader, pieces: list[bytes]) -> list[bytes]:
    """Each command as sent, put together from its parts."""
    commands: list[bytes] = []
    for piece in pieces:
        reader.feed(piece)
        while True:
            if reader.unfinished:
                commands[-1] += reader.more()
                if reader.unfinished:
                    break
            data = reader.begin()
            if not data:
                break
            commands.append(data)
    return commands


@given(COMMANDS, CUTS)
def test_commands_are_the_same_wherever_they_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    sent = [packet(0, payload) for payload in payloads]
    reader = CommandReader()
    assert read_all(reader, cut(b"".join(sent), cuts)) == sent
    assert not reader.unfinished
    assert reader.waiting == 0


@pytest.mark.parametrize("extra", [0, 1, 5])
def test_a_command_longer_than_a_packet_takes_its_continuation_with_it(extra: int) -> None:
    first = MAX_PAYLOAD.to_bytes(3, "little") + b"\x00" + b"\x03" + b"x" * (MAX_PAYLOAD - 1)
    sent = first + packet(1, b"y" * extra)
    reader = CommandReader()
    step = 1 << 20
    pieces = [sent[at : at + step] for at in range(0, len(sent), step)]
    assert read_all(reader, [*pieces, packet(0, b"\x0e")]) == [sent, packet(0, b"\x0e")]


def test_many_commands_at_once_do_not_take_long_to_cut() -> None:
    """Quadratic time would stop the proxy for everybody."""

    def spent(commands: int) -> float:
        reader = CommandReader()
        reader.feed(packet(0, b"\x0e") * commands)
        began = time.process_time()
        for _ in range(commands):
            reader.begin()
        return time.process_time() - began

    spent(2_000)
    assert spent(128_000) < 200 * max(spent(2_000), 1e-4)


def test_a_short_command_is_held_until_it_is_whole() -> None:
    reader = CommandReader()
    whole = packet(0, b"\x03SELECT 1")
    reader.feed(whole[:-1])
    assert reader.begin() == b""
    reader.feed(whole[-1:])
    assert reader.begin() == whole


@pytest.mark.parametrize("data", [packet(0, b""), packet(1, b"\x0e"), packet(0, b"") + b"\x01"])
def test_what_is_no_command_is_malformed(data: bytes) -> None:
    reader = CommandReader()
    reader.feed(data)
    with pytest.raises(Malformed):
        reader.begin()
