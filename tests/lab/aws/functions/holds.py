"""A function that keeps a connection between its invocations, as a pool does."""

import select
import socket
from typing import Any

KEPT: dict[str, socket.socket] = {}
TCP_ESTABLISHED = 1


def connect(event: dict[str, Any], context: Any) -> None:
    """Connect, and exchange a byte."""
    KEPT["it"] = kept = socket.create_connection((event["host"], event["port"]), timeout=5)
    kept.sendall(b"?")
    assert kept.recv(1) == b"!"


def use(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Say how the connection looks from here, and what happens when it is used."""
    kept = KEPT["it"]
    looks_dead = bool(select.select([kept], [], [], 0)[0])
    established = kept.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_ESTABLISHED
    try:
        kept.sendall(b"?")
        outcome = kept.recv(1).decode() or "EOF"
    except OSError as error:
        outcome = type(error).__name__
    return {"looks_dead": looks_dead, "established": established, "outcome": outcome}


def handler(event: dict[str, Any], context: Any) -> Any:
    return {"connect": connect, "use": use}[event["do"]](event, context)
