"""What an execution environment knows from its start: who it is, where the database is, the secret."""

import hashlib
import hmac
import json
import os
import ssl
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote, quote_plus

from sqlalchemy import URL

from poolbench.function.drivers import Authority


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


class BadConfiguration(Exception):
    """An environment variable is missing or wrong; the message names it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port of a MySQL endpoint."""

    host: str
    port: int

    @classmethod
    def parse(cls, variable: str) -> Self:
        """Read `host:port` from an environment variable.

        Raises:
            BadConfiguration: it is not set, or not of that form.

        """
        value = os.environ.get(variable, "")
        host, colon, port = value.rpartition(":")
        if not (host and colon and port.isdecimal()):
            raise BadConfiguration(f"{variable} is {value!r}, not host:port")
        return cls(host, int(port))


@dataclass(frozen=True, slots=True)
class Secret:
    """Database user, as RDS keeps it in Secrets Manager."""

    username: str
    password: str = field(repr=False)
    dbname: str

    @classmethod
    def load(cls, variable: str = "POOLBENCH_SECRET") -> Self:
        """Read the variable (JSON), or the one that ends in _ARN, from Secrets Manager.

        Raises:
            BadConfiguration: neither is set, or the secret lacks a part.

        """
        text = os.environ.get(variable)
        if text is None and (arn := os.environ.get(f"{variable}_ARN")):
            import boto3  # noqa: PLC0415 (only where it is needed: it is slow to import)

            text = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        if text is None:
            raise BadConfiguration(f"set {variable} or {variable}_ARN")
        try:
            parts: dict[str, Any] = json.loads(text)
            return cls(parts["username"], parts["password"], parts["dbname"])
        except (ValueError, KeyError, TypeError):
            # Never show the text: it is the secret.
            raise BadConfiguration("the secret is not JSON with username, password and dbname") from None

    def masked(self, text: str) -> str:
        """Text of somebody else, an error's say, with the password starred out, as it is and as in URLs."""
        # SQLAlchemy leaves blanks and plus signs in the URLs that it renders as they are.
        forms = {self.password, quote(self.password, safe=" +"), quote_plus(self.password)} - {""}
        for form in sorted(forms, key=len, reverse=True):  # one may begin with another
            text = text.replace(form, "***")
        return text


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that does not change during the life of the environment."""

    environment: str  # id, new for each execution environment
    initialization: str  # on-demand, provisioned-concurrency or snap-start
    secret: Secret
    tls: Authority | None

    @classmethod
    def load(cls) -> Self:
        """Read the environment variables; call once, at import.

        Raises:
            BadConfiguration: one of them is missing or wrong.

        """
        return cls(
            environment=uuid.uuid4().hex[:12],
            initialization=os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            secret=Secret.load(),
            tls=_authority(),
        )

    def url(self, address: Address, scheme: str = "mysql+pymysql") -> URL:
        """URL of the bench schema behind `address`."""
        return URL.create(
            scheme,
            username=self.secret.username,
            password=self.secret.password,
            host=address.host,
            port=address.port,
            database=self.secret.dbname,
            query={"charset": "utf8mb4"},
        )


def address_of(endpoint: str) -> Address:
    """Address of the `proxy` or the `database` endpoint.

    Raises:
        BadConfiguration: this function has no such endpoint.

    """
    return Address.parse(f"POOLBENCH_{endpoint.upper()}_ENDPOINT")


def _authority() -> Authority | None:
    file = os.environ.get("POOLBENCH_TLS_CA")
    if not file:
        return None
    context = ssl.create_default_context(cafile=file)
    # Through a tunnel to the database its certificate cannot name the host that is connected to.
    context.check_hostname = os.environ.get("POOLBENCH_TLS_CHECK_HOSTNAME") != "false"
    return Authority(context, file)
