"""The server takes what clients send, and answers in one piece."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from poolbench.lab.http_server import HttpRequest, HttpResponse, HttpServer
from poolbench.lab.platform import LOOPBACK

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(request: HttpRequest) -> HttpResponse:
    body = f"{request.method} {request.path} {request.query('q')} {request.header('x-a')} ".encode()
    return HttpResponse(200, body + request.body)


def talk_to(handler: Callable[[HttpRequest], Awaitable[HttpResponse]], talk: Talk) -> None:
    """Run a conversation with a server of its own."""

    async def run() -> None:
        server = await HttpServer.start(handler)
        reader, writer = await asyncio.open_connection(LOOPBACK, server.port)
        try:
            await asyncio.wait_for(talk(reader, writer), 10)
        finally:
            writer.close()
            server.close()
            await asyncio.sleep(0)

    asyncio.run(run())


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    return int(head.split()[1]), await reader.readexactly(length)


def test_a_connection_serves_many_requests_also_when_they_come_together() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one = b"POST /a%20b?q=c HTTP/1.1\r\nHost: x\r\nX-A: d\r\nContent-Length: 2\r\n\r\nhi"
        writer.write(one * 3)
        for _ in range(3):
            assert await answer(reader) == (200, b"POST /a b c d hi")

    talk_to(echo, talk)


def test_a_body_comes_in_chunks_and_in_pieces() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for byte in head + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
        assert await answer(reader) == (200, b"PUT / None None abcdefg")

    talk_to(echo, talk)


def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"hi")
        assert await answer(reader) == (200, b"PUT / None None hi")

    talk_to(echo, talk)


@pytest.mark.parametrize(
    "request_", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nbad\r\n\r\n"]
)
def test_what_is_not_http_is_400_and_the_end(request_: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request_)
        assert (await answer(reader))[0] == 400
        assert await reader.read() == b""

    talk_to(echo, talk)


def test_a_client_that_goes_away_in_the_middle_harms_nobody() -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("peername")[1]
        for half in (b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"):
            with socket.create_connection((LOOPBACK, port)) as client:
                client.sendall(half)
        reader, other = await asyncio.open_connection(LOOPBACK, port)
        other.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await answer(reader) == (200, b"GET / None None ")
        other.close()

    talk_to(echo, talk)


def test_no_content_has_no_length_and_a_head_no_body() -> None:
    async def handler(request: HttpRequest) -> HttpResponse:
        if request.method == "HEAD":
            return HttpResponse(200, headers=(("Content-Length", "7"),))
        return HttpResponse(204)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert b"content-length: 7" in (await reader.readuntil(b"\r\n\r\n")).lower()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
        assert await reader.read() == b""

    talk_to(handler, talk)
