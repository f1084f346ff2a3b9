"""Tokens in place of a password, as with IAM authentication: signed here, and soon over."""

import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import URL


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Who comes in with tokens, and how one is made."""

    user: str
    make: Callable[[], str] = field(repr=False)


def token_source(url: URL) -> TokenSource | None:
    """Read POOLBENCH_TOKENS (JSON): who to be at `url`, and how to sign; None: nobody comes in with tokens.

    On AWS `{"user": ..., "region": ...}`: botocore signs, with the role's credentials. In the lab
    `{"user": ..., "key": ..., "valid_s": ...}`, as the lab's proxy has it.
    """
    text = os.environ.get("POOLBENCH_TOKENS")
    if text is None:
        return None
    settings = json.loads(text)
    user: str = settings["user"]
    if "key" in settings:
        return TokenSource(user, lambda: _sign(settings["key"], user, settings["valid_s"]))
    import boto3  # noqa: PLC0415 (only where it is needed: it is slow to import)

    client = boto3.client("rds", region_name=settings["region"])
    return TokenSource(
        user, lambda: str(client.generate_db_auth_token(DBHostname=url.host, Port=url.port, DBUsername=user))
    )


def _sign(key: str, user: str, valid_s: float) -> str:
    text = f"{user}:{round((time.time() + valid_s) * 1e3)}"
    return f"{text.partition(':')[2]}:{hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()}"
