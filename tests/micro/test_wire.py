"""Counting on the wire."""

import itertools
import ssl
from collections.abc import Iterator

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.constants import CLIENT, COMMAND
from sqlalchemy import URL

from micro.cases import engine_of, request
from micro.server import parse, prepare
from micro.wire import ClientStream, CommandCounter
from poolbench.function.probe import Probe, count_commands
from tests.micro.conftest import text_of

pytestmark = pytest.mark.any_server
LOGIN = (CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION).to_bytes(4, "little") + b"\x00" * 28 + b"user\x00"


def packet(sequence: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


QUIT = packet(0, bytes([COMMAND.COM_QUIT]))
queries = st.binary(max_size=300).map(lambda text: packet(0, bytes([COMMAND.COM_QUERY]) + text))
answers = st.binary(max_size=300).map(lambda data: packet(3, data))  # of a login or a LOCAL INFILE


@given(sent=st.lists(queries | answers), cuts=st.lists(st.integers(0, 5000)), quits=st.booleans())
def test_commands_are_counted_however_the_stream_is_cut(
    sent: list[bytes], cuts: list[int], quits: bool
) -> None:
    data = packet(1, LOGIN) + b"".join(sent) + QUIT * quits
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    stream = ClientStream()
    counted = sum(stream.feed(data[begin:end]) for begin, end in itertools.pairwise(places))
    assert counted == 1 + sum(one[3] == 0 for one in sent)
    assert not stream.encrypted


@given(rest=st.binary(max_size=500))
def test_nothing_is_read_into_what_is_encrypted(rest: bytes) -> None:
    stream = ClientStream()
    request_for_tls = (CLIENT.PROTOCOL_41 | CLIENT.SSL).to_bytes(4, "little") + b"\x00" * 28
    assert stream.feed(packet(1, request_for_tls) + rest) == 0
    assert stream.encrypted


@pytest.fixture
def server_url(database_url: URL) -> URL:
    url = parse("--mysql-url", text_of(database_url))
    prepare(url)
    return url


@pytest.fixture
def counter(server_url: URL) -> Iterator[CommandCounter]:
    with CommandCounter(server_url) as counting:
        yield counting


@pytest.mark.parametrize("strategy", ["queuepool", "pre_ping", "nullpool", "autocommit"])
def test_the_wire_and_the_functions_own_probe_agree(
    strategy: str, server_url: URL, counter: CommandCounter
) -> None:
    with engine_of(strategy, counter.before(server_url)) as engine:
        probe = Probe(engine)
        request(engine)
        count_commands()
        try:
            before, _ = counter.count()
            probe.begin()
            request(engine)
            seen = probe.end()
        finally:
            count_commands(on=False)
        assert counter.count()[0] - before == seen.wire_commands


def test_tls_is_passed_on_and_noticed(server_url: URL, counter: CommandCounter) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    at = counter.before(server_url)
    connection = pymysql.connect(
        host=at.host,
        port=at.port or 0,
        user=at.username,
        password=str(at.password),
        ssl=context,
    )
    connection.close()
    assert counter.count() == (0, 1)
