"""Tokens in place of a password, as with IAM authentication: signed for a user, and soon over.

AWS signs a URL (SigV4, 15 minutes) and RDS Proxy asks for it by `mysql_clear_password`, over TLS only. Here
the signature is an HMAC of user and expiry, with a key that the proxy and its clients share, and it is taken
without TLS, too, for campaigns that have none.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from time import time

VALID_S = 900.0  # of AWS's


@dataclass(frozen=True, slots=True)
class Tokens:
    """What tokens of a user are signed with; a token is `expiry in ms since the epoch:signature`."""

    key: str = field(repr=False)
    valid_s: float = VALID_S

    def issue(self, user: str) -> str:
        """Make a token that is valid from now on."""
        return self._sign(user, round((time() + self.valid_s) * 1e3))

    def accept(self, user: str, token: str) -> bool:
        """Whether a token is genuine, that user's, and not over."""
        expiry, colon, _ = token.partition(":")
        if not (colon and expiry.isdecimal() and expiry.isascii()):
            return False
        genuine = hmac.compare_digest(self._sign(user, int(expiry)).encode(), token.encode())
        return genuine and time() * 1e3 < int(expiry)

    def _sign(self, user: str, expiry_ms: int) -> str:
        text = f"{user}:{expiry_ms}"
        return f"{expiry_ms}:{hmac.new(self.key.encode(), text.encode(), hashlib.sha256).hexdigest()}"
