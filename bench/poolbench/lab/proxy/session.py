"""One client's session: whose it is, what is set in it, and what ties it to its database connection. Pure."""

from dataclasses import replace

from poolbench.lab.proxy.database import Identity
from poolbench.lab.proxy.facts import Facts
from poolbench.lab.proxy.handshake import SEMANTIC, Login
from poolbench.lab.proxy.protocol import AUTOCOMMIT, IN_TRANSACTION
from poolbench.lab.proxy.reply import Reply
from poolbench.lab.proxy.session_state import SessionState
from poolbench.lab.proxy.settings import ProxySettings
from poolbench.lab.proxy.statements import NO_EFFECT, Effect

HALF_WAY = "failed half-way"  # of several statements one failed: what the others did is not known


class Session:
    """A session as the proxy knows it, from the server's status words and the client's statements.

    RDS Proxy learns of transactions from the protocol, too, and not from keywords; without autocommit the
    first statement begins one, says its documentation. To the server, and so to this proxy, it is the first
    that touches a table: after a lone SELECT 1 the database connection is given back.

    Attributes:
        login: what the client said of itself.
        identity: what a database connection must have for it to be used here.
        state: what is set.
        in_transaction: as the last status word says.
        pinned: why the session keeps its database connection from now on; empty while it need not.
        loose: whether the session may go on with another database connection.

    """

    def __init__(self, login: Login, facts: Facts) -> None:
        self._facts = facts
        self.begin(login, login.database)

    def begin(self, login: Login, schema: str | None) -> None:
        """Begin as new."""
        facts = self._facts
        self.login = login
        self.identity = Identity(login.user, login.capabilities & SEMANTIC)
        self.state = SessionState(schema, facts.autocommit, (("names", facts.names(login.charset)),))
        self.let_go()

    def let_go(self) -> None:
        """Forget what ties it to its database connection, which is gone or taken away."""
        self.in_transaction, self.pinned, self.loose = False, "", True

    def reset(self) -> None:
        """Begin as new with the same user and in the same schema, as COM_RESET_CONNECTION does.

        MySQL then goes back to the server's character set, MariaDB to the one that the client logged in with.
        """
        charset = self.login.charset if self._facts.is_mariadb else self._facts.charset
        self.begin(replace(self.login, charset=charset), self.state.schema)

    @property
    def status(self) -> int:
        """Status word of a session outside a transaction."""
        return AUTOCOMMIT if self.state.autocommit else 0

    def note(self, reply: Reply, effect: Effect, settings: ProxySettings) -> None:
        """Note what a command has done, now that it is answered."""
        status, state, failed = reply.status, self.state, reply.error != 0
        if status >= 0:
            self.in_transaction = status & IN_TRANSACTION != 0
            autocommit = status & AUTOCOMMIT != 0
            if autocommit is not state.autocommit:
                state = state.with_autocommit(autocommit)
        if effect is not NO_EFFECT and not (failed and effect.statements == 1):
            pin = HALF_WAY if failed else effect.pin
            if pin and not self.pinned and pin not in settings.tolerated_pins:
                self.pinned = pin
            if not failed:
                state = effect.applied_to(state)
        self.state = state
        # An ERR packet says nothing about the transaction: without autocommit there may be one now.
        self.loose = not (self.in_transaction or self.pinned or (failed and not state.autocommit))
