"""A relay between two sockets that passes every byte on half a round-trip time after it arrived.

asyncio cannot do that: its timers round up to a millisecond. Here the kernel says when bytes arrived, so that
the time it takes to wake this process does not count, an interval timer wakes it shortly before they are due,
and the rest is waited for awake.

A relay cannot delay the SYN of a client, whose connection is open at once. The three-way handshake is made up
for by connecting to the target 1.5 round trips later: where the server speaks first, as MySQL's does, its
greeting then comes 2 round trips after the client's SYN, as over a real path.
"""

import contextlib
import heapq
import itertools
import selectors
import signal
import socket
import struct
import time
from collections.abc import Callable

from poolbench.lab.platform import LOOPBACK

Address = tuple[str, int]

CHUNK = 1 << 16
IN_FLIGHT_LIMIT = 1 << 22  # bytes on the way in one direction; beyond, the sender is not read
SECOND_NS = 1_000_000_000
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 s
_SO_TIMESTAMPNS = 35  # <asm-generic/socket.h>, also the type of the message that carries the time
_TIMESPEC = struct.Struct("qq")


class RelayEnd:
    """One side of a relayed connection: what arrives here leaves at the peer."""

    def __init__(self, relay: "Relay", sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # without it, the time of reading stands for the time of arrival
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.peer: RelayEnd
        self._relay = relay
        self._sock = sock
        self._outbox = bytearray()  # due, and not taken by the kernel yet
        self._arrived_ns = 0  # when the last bytes did
        self._in_flight = 0  # bytes from here that have not left at the peer
        self._reads = False
        self._ended = False  # nothing more will be delivered

    def join(self, peer: "RelayEnd") -> None:
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
        # Bytes without a timestamp use the current time; keep the order all the same.
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
        except OSError:  # a reset, which reading would no longer report
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
        """Close the socket, if the other side has not done so already."""
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


AWAKE_NS = 60_000  # how long before something is due the timer rings: waking up takes about as long
ACCEPT_AGAIN_NS = 100_000_000  # after no connection could be accepted
LATENESS_LIMIT_NS = 1_000_000  # beyond it, this process was not asleep but had no CPU


class Relay:
    """Relays from one listening port to one target, half a round-trip time late in each direction.

    Attributes:
        target: where new connections go.

    """

    def __init__(self, target: Address, rtt_s: float) -> None:
        self.target = target
        self._half_ns = int(rtt_s * 1e9 / 2)
        self._connect_ns = 3 * self._half_ns  # from the client's connection to the one to the target
        self._woke_ns = 0  # when it last did, if nothing has been read since
        self._lateness_ns = 0.0
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._listener = socket.create_server((LOOPBACK, 0), backlog=1024)
        self._listener.setblocking(False)
        self._listen()
        self._alarm, ring = socket.socketpair()
        ring.setblocking(False)
        self._alarm.setblocking(False)
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.set_wakeup_fd(ring.fileno(), warn_on_full_buffer=False)
        self._ring = ring
        self.watch(self._alarm, selectors.EVENT_READ, lambda _: self._alarm.recv(CHUNK))

    @property
    def address(self) -> Address:
        """Where clients connect."""
        host, port = self._listener.getsockname()
        return host, port

    def watch(self, sock: socket.socket, events: int, ready: Callable[[int], object]) -> None:
        """Call `ready` when one of the events comes; none: no longer."""
        known = sock.fileno() in self._selector.get_map()
        if not events:
            if known:
                self._selector.unregister(sock)
        elif known:
            self._selector.modify(sock, events, ready)
        else:
            self._selector.register(sock, events, ready)

    def correct(self, greeting_s: float, exchange_s: float) -> None:
        """Shorten the greeting of a new connection and an exchange on an open one by these times."""
        of_half_ns = int(exchange_s * 1e9 / 2)
        self._half_ns = max(0, self._half_ns - of_half_ns)
        # The greeting comes after connecting and half a round-trip time.
        self._connect_ns = max(0, self._connect_ns - int(greeting_s * 1e9) + of_half_ns)

    def lengthen(self, rtt_s: float) -> None:
        """Add so much more round-trip time."""
        self.correct(-2 * rtt_s, -rtt_s)

    def after_half(self, since_ns: int, act: Callable[[], None]) -> None:
        """Act half a round-trip time after that, of the monotonic clock."""
        self._at(since_ns + self._half_ns, act)

    def _at(self, due_ns: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (due_ns, next(self._order), act))

    def learn_lateness(self, arrived_ns: int) -> None:
        """Learn from bytes that came at that time how long it takes to wake up.

        When a connection came the kernel does not say.
        """
        late_ns = self._woke_ns - arrived_ns
        if 0 < late_ns < LATENESS_LIMIT_NS:
            self._lateness_ns += (late_ns - self._lateness_ns) / 8
        self._woke_ns = 0

    def _listen(self) -> None:
        self.watch(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self, _: int) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # the client has gone, or the process has too many files open: try again later
            self.watch(self._listener, 0, self._accept)
            self._at(time.monotonic_ns() + ACCEPT_AGAIN_NS, self._listen)
            return
        since_ns = time.monotonic_ns() - int(self._lateness_ns)
        self._at(since_ns + self._connect_ns, lambda: self._connect(client))

    def _connect(self, client: socket.socket) -> None:
        try:
            target = socket.create_connection(self.target, timeout=1)
        except OSError:  # refused: the client learns it as a reset, for its own connection is open already
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            client.close()
            return
        RelayEnd(self, client).join(RelayEnd(self, target))

    def run_until(self, done: Callable[[], bool]) -> None:
        """Relay until it is true."""
        while not done():
            timer_ns = self._act_on_what_is_due()
            signal.setitimer(signal.ITIMER_REAL, timer_ns / 1e9)
            ready = self._selector.select()
            self._woke_ns = time.monotonic_ns()
            for key, events in ready:
                key.data(events)

    def _act_on_what_is_due(self) -> int:
        """Return in how many nanoseconds to look again; 0: not before something arrives."""
        while self._due:
            left_ns = self._due[0][0] - time.monotonic_ns()
            if left_ns > AWAKE_NS:
                return left_ns - AWAKE_NS
            if left_ns <= 0:
                heapq.heappop(self._due)[2]()
            else:
                for key, events in self._selector.select(0):
                    key.data(events)
        return 0
