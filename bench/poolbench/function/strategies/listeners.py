"""What strategies do at checkout beyond what the pool offers, by the pool's own events."""

import os
import socket
import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

from poolbench.function.strategies.strategy import Listener, Setting

_RETURNED = "poolbench.returned"  # wall clock: like the pool's own recycle, it must go on through a freeze


def _idle_s(record: Any) -> float:
    returned: float = record.info.get(_RETURNED, time.time())
    return time.time() - returned


def _note_return(_connection: Any, record: Any) -> None:
    record.info[_RETURNED] = time.time()


def ping_when_idle(share: float) -> Listener:
    """Ping at checkout, but only a connection that was idle for more than `share` of the client timeout."""

    def listen(engine: Engine, setting: Setting) -> None:
        threshold_s = share * setting.idle_client_timeout_s

        def check(connection: Any, record: Any, _proxy: Any) -> None:
            if _idle_s(record) <= threshold_s:
                return
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise DisconnectionError from error  # the pool reconnects and tries again

        event.listen(engine, "checkin", _note_return)
        event.listen(engine, "checkout", check)

    return listen


def recycle_when_idle(share: float) -> Listener:
    """Replace a connection that was idle, not merely alive, for more than `share` of the client timeout."""

    def listen(engine: Engine, setting: Setting) -> None:
        threshold_s = share * setting.idle_client_timeout_s

        def check(_connection: Any, record: Any, _proxy: Any) -> None:
            if _idle_s(record) > threshold_s:
                raise DisconnectionError

        event.listen(engine, "checkin", _note_return)
        event.listen(engine, "checkout", check)

    return listen


def keep_alive(engine: Engine, setting: Setting) -> None:
    """TCP keepalive probes well within the client timeout, instead of Linux's two hours."""

    def configure(connection: Any, _record: Any) -> None:
        every_s = max(1, int(setting.idle_client_timeout_s / 4))
        stream = socket.socket(fileno=os.dup(connection._sock.fileno()))
        with stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, every_s)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, every_s)

    event.listen(engine, "connect", configure)
