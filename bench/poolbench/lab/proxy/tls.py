"""TLS towards clients and the database, as a channel over bytes.

asyncio's own TLS cannot be used: a client may send its SSLRequest and its ClientHello in one segment, of
which `loop.start_tls` would lose the second part; and a connection to the database speaks TLS before asyncio
takes it over.
"""

import contextlib
import functools
import ssl
from collections.abc import Callable

from poolbench.lab.certificates import Certificate

CHUNK = 1 << 16


def server_context(files: Certificate) -> ssl.SSLContext:
    """Return what a server needs to speak TLS 1.2 and later.

    Raises:
        OSError: there are no such files, or they do not fit.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.certificate, files.key)
    except OSError as error:  # which does not name the files
        raise OSError(f"tls: {files.certificate} and {files.key} cannot be used: {error}") from error
    return context


@functools.cache
def client_context(authority: str, *, check_hostname: bool) -> ssl.SSLContext:
    """Return what a client needs whose server has a certificate of this authority (a PEM file).

    Raises:
        OSError: there is no such file, or it is not one.

    """
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:  # which does not name the file
        raise OSError(f"{authority}: no certificate of an authority can be read there: {error}") from error
    context.check_hostname = check_hostname
    return context


class TlsChannel:
    """One end of a TLS connection whose ciphertext somebody else carries: a client's, if it names a server.

    Attributes:
        carry: sends ciphertext to the peer.
        shaken: whether the handshake is over.

    """

    def __init__(
        self, context: ssl.SSLContext, carry: Callable[[bytes], None], server: str | None = None
    ) -> None:
        self.carry = carry
        self.shaken = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._channel = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server is None, server_hostname=server
        )

    def receive(self, data: bytes) -> bytes:
        """Take ciphertext, return the plaintext that it completes, and answer where the handshake needs it.

        Raises:
            ssl.SSLError: the peer does not speak TLS, or not as it should.

        """
        self._incoming.write(data)
        plain = []
        try:
            if not self.shaken:
                self._channel.do_handshake()
                self.shaken = True
            while part := self._channel.read(CHUNK):
                plain.append(part)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):  # the latter is close_notify; FIN follows
            pass
        finally:
            self._flush()
        return b"".join(plain)

    def send(self, data: bytes) -> None:
        """Encrypt and send."""
        self._channel.write(data)
        self._flush()

    def say_goodbye(self) -> None:
        """Send close_notify."""
        with contextlib.suppress(ssl.SSLError):  # the peer's own has yet to come
            self._channel.unwrap()
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.carry(self._outgoing.read())
