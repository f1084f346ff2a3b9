"""One side of a connection that is relayed with a delay."""

import contextlib
import selectors
import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol

CHUNK = 1 << 16
IN_FLIGHT_LIMIT = 1 << 22  # bytes on the way in one direction; beyond, the sender is not read
SECOND_NS = 1_000_000_000
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 s
_SO_TIMESTAMPNS = 35  # <asm-generic/socket.h>, also the type of the message that carries the time
_TIMESPEC = struct.Struct("qq")


class Relay(Protocol):
    """What watches over the sockets and the time."""

    def watch(self, sock: socket.socket, events: int, ready: Callable[[int], object]) -> None:
        """Call `ready` when one of the events comes; none: no longer."""

    def after_half(self, since_ns: int, act: Callable[[], None]) -> None:
        """Act half a round-trip time after that, of the monotonic clock."""

    def learn_lateness(self, arrived_ns: int) -> None:
        """Learn that bytes came at that time, which are looked at now."""


class End:
    """One side of a relayed connection: what arrives here leaves at the peer."""

    def __init__(self, relay: Relay, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # without it, now is taken for the time of arrival
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.peer: End
        self._relay = relay
        self._sock = sock
        self._outbox = bytearray()  # due, and not taken by the kernel yet
        self._arrived_ns = 0  # when the last bytes did
        self._in_flight = 0  # bytes from here that have not left at the peer
        self._reads = False
        self._ended = False  # nothing more will be delivered

    def join(self, peer: "End") -> None:
        """Relay between the two."""
        self.peer, peer.peer = peer, self
        for end in (self, peer):
            end.watch(reads=True)

    def watch(self, *, reads: bool) -> None:
        """Read or do not; write while there is something to write."""
        if self._sock.fileno() < 0:
            return  # closed while bytes for it or from it were on their way
        self._reads = reads
        events = (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if self._outbox else 0)
        self._relay.watch(self._sock, events, self.ready)

    def ready(self, events: int) -> None:
        """Read or write, as the selector says."""
        if events & selectors.EVENT_WRITE:
            self._flush()
        if events & selectors.EVENT_READ and self._reads:
            self._read()

    def _read(self) -> None:
        try:
            data, notes, _, _ = self._sock.recvmsg(CHUNK, 64)
        except BlockingIOError:
            return
        except OSError:
            self.watch(reads=False)
            self._relay.after_half(max(self._arrived_ns, time.monotonic_ns()), self.peer.reset)
            return
        noted = _arrival(notes)
        if noted:
            self._relay.learn_lateness(noted)
        # What comes without a time, and takes now for it, must not overtake nor be overtaken.
        arrived = self._arrived_ns = max(self._arrived_ns, noted or time.monotonic_ns())
        if not data:
            self.watch(reads=False)
            self._relay.after_half(arrived, self.peer.finish)
            return
        self._in_flight += len(data)
        if self._in_flight > IN_FLIGHT_LIMIT:
            self.watch(reads=False)
        self._relay.after_half(arrived, lambda: self.peer.deliver(data))

    def deliver(self, data: bytes) -> None:
        """Send what is due."""
        self._outbox += data
        self._flush()

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._outbox) if self._outbox else 0
        except BlockingIOError:
            sent = 0
        except OSError:  # a reset, of which reading would not tell any more
            sent = len(self._outbox)
            self._relay.after_half(time.monotonic_ns(), self.peer.reset)
        del self._outbox[:sent]
        self.peer.left(sent)
        if self._ended and not self._outbox:
            self._shut()
        else:
            self.watch(reads=self._reads)

    def left(self, size: int) -> None:
        """Note that so many bytes from here have left at the peer."""
        was_full = self._in_flight > IN_FLIGHT_LIMIT
        self._in_flight -= size
        if was_full and self._in_flight <= IN_FLIGHT_LIMIT:
            self.watch(reads=True)

    def finish(self) -> None:
        """FIN, once everything is sent."""
        self._ended = True
        if not self._outbox:
            self._shut()

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        self.watch(reads=self._reads)
        if self.peer._ended:
            for end in (self, self.peer):
                end.close()

    def reset(self) -> None:
        """RST to both sides."""
        for end in (self, self.peer):
            with contextlib.suppress(OSError):
                end._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            end.close()

    def close(self) -> None:
        """Forget the socket, if that has not been done: both sides may have had a reason."""
        if self._sock.fileno() >= 0:
            self._relay.watch(self._sock, 0, self.ready)
            self._sock.close()


def _arrival(notes: list[tuple[int, int, bytes]]) -> int | None:
    """When bytes arrived, on the monotonic clock; the kernel tells the wall clock's time."""
    for level, kind, data in notes:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            ago_ns = time.time_ns() - (seconds * SECOND_NS + nanoseconds)
            if 0 <= ago_ns < SECOND_NS:  # else the clock was set meanwhile
                return time.monotonic_ns() - int(ago_ns)
    return None
