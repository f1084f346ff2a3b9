"""KILL, which names a connection by the number that the proxy gave it, or by the server's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pymysql.constants import COMMAND, ER

from bench.lab.proxy.login import Refused
from bench.lab.proxy.protocol import packet

if TYPE_CHECKING:
    from bench.lab.proxy.client import ClientConnection


@dataclass(frozen=True, slots=True)
class Kill:
    """`KILL [CONNECTION] id`, or `KILL QUERY id`."""

    connection: int
    query_only: bool


def carry_out(
    kill: Kill, killer: "ClientConnection", clients: Mapping[int, "ClientConnection"]
) -> bytes | None:
    """Do the proxy's part; returns the command that the database is to be sent for it.

    Empty: nothing is left to do. None: the number is none of the proxy's, the command is the database's.

    Raises:
        Refused: the connection is somebody else's, or the killer's own.

    """
    target = clients.get(kill.connection)
    if target is None:
        return None
    if target is killer:
        if not kill.query_only:
            killer.end("killed")
        raise Refused(ER.QUERY_INTERRUPTED, "70100", "Query execution was interrupted")
    if not (target.commands and killer.commands and target.commands.login.user == killer.commands.login.user):
        raise Refused(ER.KILL_DENIED_ERROR, "HY000", f"You are not owner of thread {kill.connection}")
    backend = target.commands.backend
    if not kill.query_only:
        target.end("killed")
    if backend is None:
        return b""
    what = "QUERY" if kill.query_only else "CONNECTION"
    return packet(0, bytes([COMMAND.COM_QUERY]) + f"KILL {what} {backend.thread_id}".encode())
