"""TLS towards clients, as a channel over bytes.

asyncio's own TLS cannot be used: a client may send its SSLRequest and its ClientHello in one segment, of
which `loop.start_tls` would lose the second part.
"""

import contextlib
import ssl
from collections.abc import Callable

from bench.lab.certificates import Certificate

CHUNK = 1 << 16


def server_context(files: Certificate) -> ssl.SSLContext:
    """Return what a server needs to speak TLS 1.2 and later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    return context


class TlsChannel:
    """The server's end of a TLS connection whose ciphertext somebody else carries."""

    def __init__(self, context: ssl.SSLContext, send: Callable[[bytes], None]) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._channel = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._send = send
        self._shaken = False

    def receive(self, data: bytes) -> bytes:
        """Take ciphertext, return the plaintext that it completes, and answer where the handshake needs it.

        Raises:
            ssl.SSLError: the peer does not speak TLS, or not as it should.

        """
        self._incoming.write(data)
        plain = []
        try:
            if not self._shaken:
                self._channel.do_handshake()
                self._shaken = True
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
            self._send(self._outgoing.read())
