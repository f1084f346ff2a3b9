"""Client connections of the proxy, from login to end, and the ports that they come through."""

import asyncio
import math
from typing import Any

from poolbench.lab.proxy.command_phase import CommandPhase
from poolbench.lab.proxy.context import ProxyContext
from poolbench.lab.proxy.errors import Refused
from poolbench.lab.proxy.faults import ProxyFault
from poolbench.lab.proxy.login import log_in, refuse
from poolbench.lab.proxy.monitoring import EventKind
from poolbench.lab.proxy.protocol import Malformed, error, ok_payload
from poolbench.lab.proxy.session import ClientSession
from poolbench.lab.proxy.transport import ClientLine, Hold

PROGRAM_LENGTH = 128  # of a program's name, which is kept long after its client has gone
_INACTIVE = (  # MySQL's words
    "The client was disconnected by the server because of inactivity. "
    "See wait_timeout and interactive_timeout for configuring this behavior."
)
INTERACTION_TIMEOUT = (4031, "HY000", _INACTIVE)


class ClientConnection(ClientLine):
    """One client connection, from its greeting to its end.

    Attributes:
        origin: the listener that it came through.
        program: what the client calls itself in its connection attributes.
        commands: the command phase; None until the client is logged in.

    """

    def __init__(self, context: ProxyContext, origin: "Listener") -> None:
        super().__init__(next(context.ids))
        self.origin = origin
        self.program = ""
        self.commands: CommandPhase | None = None
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._login: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._accepted_at = self._loop.time()
        self._swallows = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol."""
        super().connection_made(transport)
        self._context.clients[self.id] = self
        self.origin.clients.add(self)
        self._context.metrics.clients_received += 1
        self._note(EventKind.ACCEPT)
        self._login = self._loop.create_task(self._log_in())
        self._login.add_done_callback(self.end_if_failed)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio's protocol."""
        super().connection_lost(exc)
        if self._login:
            self._login.cancel()
        if self._timer:
            self._timer.cancel()
        if self.commands:
            self.commands.end()
        because = self._ended_because or "client left"
        del self._context.clients[self.id]
        self.origin.clients.remove(self)
        self._context.past_clients.append(self.describe())
        self._context.metrics.clients_closed[because] += 1
        self._note(EventKind.CLOSE, f"{because}: {self._detail}" if self._detail else because)

    @property
    def session(self) -> ClientSession | None:
        """What the client's commands have set; None until it is logged in."""
        return self.commands.session if self.commands else None

    def kill(self, *, query_only: bool) -> int | None:
        """Carry out a KILL by another client."""
        running_on = self.commands.running_on if self.commands else None
        if not query_only:
            self.end("killed")  # takes care of the database connection, except for a running statement
        return running_on

    def _note(self, kind: EventKind, detail: str | None = None) -> None:
        self._context.events.add(kind, self.id, detail=detail)

    async def _log_in(self) -> None:
        context = self._context
        try:
            await self.origin.relaying.wait()
            login = await log_in(self, context)
            self.program = login.attributes.get("program_name", "")[:PROGRAM_LENGTH]
            commands = CommandPhase(self, context, login)
            await commands.attach()
        except Refused as refused:
            refuse(self, context, refused)
        except (Malformed, TimeoutError, ConnectionError) as failure:
            self.end("no login", str(failure) or "timeout")
        else:
            context.metrics.clients_set_up += 1
            self._note(EventKind.LOGIN, self.program or None)
            self.send_payload(ok_payload(commands.session.status))
            self.commands = commands
            self._watch()
            commands.receive(self.take_inbox())

    def receive(self, data: bytes) -> None:
        """Take plain bytes of the client."""
        if self._swallows:
            return
        if self.commands and not self.commands.logging_in:
            self.commands.receive(data)
        else:
            super().receive(data)

    def _watch(self) -> None:
        """End the connection if it is idle for too long, or too old; otherwise check again later."""
        assert self.commands is not None
        settings, now = self._context.settings, self._loop.time()
        idle_left = settings.idle_client_timeout - self.commands.idle_s(now)
        if self._swallows:  # its idle timeout has passed; only its lifetime still ends it
            idle_left = math.inf
        life_left = self._accepted_at + settings.client_lifetime - now
        if life_left <= 0:
            self.commands.finish("client lifetime")
        elif idle_left <= 0:
            self._note(EventKind.IDLE_CLOSE, self.origin.failure)
            self._end_idle()
        else:
            self._timer = self._loop.call_later(min(idle_left, life_left), self._watch)

    def settings_changed(self) -> None:
        """Apply the current settings."""
        if self._timer:
            self._timer.cancel()
            self._watch()

    def _end_idle(self) -> None:
        self._ended_because = "idle"
        failure = self.origin.failure
        if failure is ProxyFault.BLACK_HOLE:
            self._swallows = True
            self._watch()
        elif failure is ProxyFault.IDLE_RESET:
            self.reset()
        elif failure is ProxyFault.IDLE_CLOSE_NOTIFY:
            self.say_goodbye()
        else:
            if failure is ProxyFault.IDLE_ERROR:
                self.send(error(0, *INTERACTION_TIMEOUT))
            self.hang_up()

    def pause(self, *, on: bool) -> None:
        """Stop, or go on, relaying."""
        self.flow.hold(Hold.PAUSED, on=on)
        if self.commands and (backend := self.commands.lease.backend):
            backend.flow.hold(Hold.PAUSED, on=on)

    def pause_writing(self) -> None:
        """Part of asyncio's protocol."""
        if self.commands:
            self.commands.client_is_slow(slow=True)

    def resume_writing(self) -> None:
        """Part of asyncio's protocol."""
        if self.commands and not self._transport.is_closing():
            self.commands.client_is_slow(slow=False)

    def describe(self) -> dict[str, Any]:
        """Return what the control API says of this connection."""
        session, commands = self.session, self.commands
        return {
            "id": self.id,
            "listener": self.origin.name,
            "program": self.program,
            "tls": self.speaks_tls,
            "open": not self._transport.is_closing(),
            "ended_because": self._ended_because or None,
            "user": session.login.user if session else None,
            "pinned": (session.pinned or None) if session else None,
            "in_transaction": session.in_transaction if session else False,
            "commands": commands.counts_by_name() if commands else {},
        }


BACKLOG = 1024


class Listener:
    """One port; those of one proxy share its pool.

    Attributes:
        name: what the control API calls it.
        host: where it listens.
        port: where it listens; until it is open, 0 stands for any free port.
        failure: how connections to its clients fail.
        relaying: unset during the failure `pause`.
        clients: that came through it and are still connected.

    """

    def __init__(self, name: str, host: str, port: int, failure: ProxyFault, context: ProxyContext) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.failure = failure
        self.relaying = asyncio.Event()
        self.relaying.set()
        self.clients: set[ClientConnection] = set()
        self._context = context
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Accept clients.

        Raises:
            OSError: the port cannot be opened.

        """
        if self._server is None:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: ClientConnection(self._context, self), self.host, self.port, backlog=BACKLOG
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse clients, as a closed port does."""
        if self._server:
            self._server.close()
            self._server = None

    def pause(self, *, on: bool) -> None:
        """Stop, or go on, relaying."""
        if on == self.relaying.is_set():
            for client in self.clients:
                client.pause(on=on)
        if on:
            self.relaying.clear()
        else:
            self.relaying.set()

    async def fail(self, failure: ProxyFault) -> None:
        """Switch to another failure."""
        self.failure = failure
        self.pause(on=failure is ProxyFault.PAUSE)
        if failure is ProxyFault.REFUSED_CONNECTS:
            self.refuse()
        else:
            await self.open()
