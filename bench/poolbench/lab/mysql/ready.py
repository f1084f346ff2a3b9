"""Waiting for a server of our own to come up."""

import contextlib
from pathlib import Path

import pymysql

from poolbench.lab.mysql.server import Server, ServerUnavailable
from poolbench.lab.ports import LOOPBACK
from poolbench.lab.process import Child, ChildFailed


class PortTaken(ServerUnavailable):
    """Somebody else listens on the port."""


def wait_until_it_answers(
    child: Child, timeout_s: float, *, port: int, user: str, password: str, source: str, tls_ca: Path | None
) -> Server:
    """Ask until the server lets its administrator in, which nobody else's server on that port would.

    Raises:
        PortTaken: it found its port in use.
        ServerUnavailable: it exited or did not answer in time; the message ends with its log.

    """
    answers: list[Server] = []

    def answered() -> bool:
        with contextlib.suppress(pymysql.Error):
            answers.append(
                Server.ask(
                    host=LOOPBACK, port=port, user=user, password=password, source=source, tls_ca=tls_ca
                )
            )
        return bool(answers)

    try:
        child.wait_until(answered, timeout_s)
    except ChildFailed as error:
        if "Address already in use" in child.log_tail():
            raise PortTaken(f"port {port} is taken by another program") from error
        raise ServerUnavailable(f"the database server did not start: {error}") from error
    return answers[0]
