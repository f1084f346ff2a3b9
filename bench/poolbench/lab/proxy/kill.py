"""KILL, which names a connection by the number that the proxy gave it, or by the server's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pymysql.constants import COMMAND, ER

from poolbench.lab.proxy.login import Refused
from poolbench.lab.proxy.protocol import packet
from poolbench.lab.proxy.statements import Kill

if TYPE_CHECKING:
    from poolbench.lab.proxy.client import ClientConnection


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
    if target.commands is None or _user(target) != _user(killer):
        raise Refused(ER.KILL_DENIED_ERROR, "HY000", f"You are not owner of thread {kill.connection}")
    backend = target.commands.loan.backend if target.commands.busy else None
    if not kill.query_only:
        target.end("killed")  # which takes care of its database connection, but for a running statement
    if backend is None:
        return b""
    return packet(0, bytes([COMMAND.COM_QUERY]) + f"KILL QUERY {backend.thread_id}".encode())


def _user(client: "ClientConnection") -> str | None:
    return client.commands.session.login.user if client.commands else None
