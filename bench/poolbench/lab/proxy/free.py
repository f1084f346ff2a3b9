"""Database connections that nobody has borrowed, from the longest unused to the last used."""

from collections.abc import Iterator

from poolbench.lab.proxy.backend import BackendConnection
from poolbench.lab.proxy.database import Identity
from poolbench.lab.proxy.session_state import SessionState, replay


class FreeConnections:
    """They stand by identity, for no other session may use them; iteration goes over all."""

    def __init__(self) -> None:
        # Dictionaries for their order: whoever comes back stands last.
        self._groups: dict[Identity, dict[BackendConnection, None]] = {}

    def __iter__(self) -> Iterator[BackendConnection]:
        return (connection for group in self._groups.values() for connection in group)

    def of(self, identity: Identity) -> dict[BackendConnection, None]:
        """Those of an identity, the last used last; for reading only."""
        return self._groups.get(identity, {})

    def add(self, connection: BackendConnection) -> None:
        """Take in one that has just been used."""
        self._groups.setdefault(connection.identity, {})[connection] = None

    def remove(self, connection: BackendConnection) -> bool:
        """Take one out; False if it is not here."""
        group = self._groups.get(connection.identity)
        return group is not None and group.pop(connection, group) is None

    def nearest(self, identity: Identity, state: SessionState) -> BackendConnection | None:
        """Return the one that takes least to bring into `state`, the last used first."""
        usable = [each for each in reversed(self.of(identity)) if replay(each.state, state)]
        return next((each for each in usable if each.state == state), usable[0] if usable else None)

    def longest_unused(self) -> list[BackendConnection]:
        """All, by when a borrower last had an answer from them, the longest unused first."""
        return sorted(self, key=lambda connection: connection.used_at)
