"""The database connection that a client has leased, from borrowing to giving it back."""

from time import monotonic

from poolbench.lab.proxy.backend import BackendConnection, Borrower
from poolbench.lab.proxy.context import ProxyContext
from poolbench.lab.proxy.errors import Refused
from poolbench.lab.proxy.monitoring import EventKind
from poolbench.lab.proxy.pool import BorrowTimeout
from poolbench.lab.proxy.protocol import BEFORE_HANGING_UP
from poolbench.lab.proxy.session import ClientSession

BORROW_TIMEOUT = (9501, "HY000", "Timed-out waiting to acquire database connection")  # RDS Proxy's own


class Lease:
    """At most one database connection, lent to one client.

    Attributes:
        backend: the connection; None while the client has none.

    """

    def __init__(self, borrower: Borrower, client: int, context: ProxyContext) -> None:
        self.backend: BackendConnection | None = None
        self._borrower = borrower
        self._client = client
        self._context = context
        self._last: BackendConnection | None = None

    def take(self, session: ClientSession) -> BackendConnection | None:
        """Borrow one that is free and in the session's state; None if none is."""
        backend = self._context.pool.take(self._client, session.identity, session.state, self._last)
        if backend is not None:
            self._begin(backend, 0.0)
        return backend

    async def borrow(self, session: ClientSession) -> BackendConnection:
        """Borrow one, opened or waited for if need be, and bring it into the session's state.

        Raises:
            Refused: none became free in time, or the database refuses the user or the state.

        """
        context, began = self._context, monotonic()
        timeout_s = context.settings.connection_borrow_timeout
        try:
            backend = await context.pool.borrow(self._client, session.identity, session.state, timeout_s)
        except BorrowTimeout:
            context.events.add(EventKind.BORROW_TIMEOUT, self._client)
            raise Refused(*BORROW_TIMEOUT) from None
        self._begin(backend, monotonic() - began)
        return backend

    def _begin(self, backend: BackendConnection, waited_s: float) -> None:
        self.backend = backend
        backend.borrower = self._borrower
        self._context.metrics.borrow_latency.add(waited_s)
        self._context.events.add(EventKind.BORROW, self._client, backend.thread_id)

    def _end(self, backend: BackendConnection, detail: str | None = None) -> None:
        self.backend = None
        self._context.events.add(EventKind.RELEASE, self._client, backend.thread_id, detail)

    def give_back(self, error: int = 0) -> None:
        """Return it in a state fit for any client; `error` is the code that ended its last answer."""
        if backend := self.backend:
            self._last = backend
            self._end(backend)
            if error in BEFORE_HANGING_UP:
                self._context.pool.verify(backend)
            else:
                self._context.pool.give_back(backend)

    def give_back_dirty(self) -> None:
        """Give it back to be reset."""
        if backend := self.backend:
            self._context.pool.clean(backend)
            self._end(backend, "to be reset")

    def close(self) -> None:
        """Close it: it is in the middle of a command."""
        if backend := self.backend:
            backend.borrower = None
            backend.close()
            self._end(backend, "closed, for a command was running")

    def lose(self) -> None:
        """Note that it is gone."""
        if backend := self.backend:
            self._end(backend, "lost")
