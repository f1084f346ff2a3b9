"""An AWS account in one region, and what its refusals mean to somebody at a shell."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from poolbench.typed import unknown

_REFUSED = frozenset(
    {
        *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"),
        *("AuthFailure", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    }
)
_LOGGED_OUT = (SSOTokenLoadError, TokenRetrievalError, UnauthorizedSSOTokenError)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


class AwsFailed(Exception):
    """AWS cannot be used, or not like that; the message says what was tried, why it failed, and the cure."""


class BadRequest(AwsFailed):
    """What was asked for cannot be, whatever AWS has; the message names the argument."""


@contextlib.contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn boto3's errors into ones for people; `doing` goes on from "cannot".

    Raises:
        AwsFailed: what is inside raised one of them.

    """
    try:
        yield
    except NoCredentialsError:
        raise AwsFailed(
            "no AWS credentials: run `aws configure` or `aws sso login`, or set AWS_PROFILE, or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    except EndpointConnectionError as error:
        raise AwsFailed(f"cannot {doing}: {error}; is the region right, and this machine online?") from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        message = error.response["Error"].get("Message", "")
        if code in _REFUSED:
            raise AwsFailed(
                f"AWS refuses the credentials ({code}): log in again, or correct them; so does a region that "
                "the account has not enabled"
            ) from error
        cure = "; give this user or role that permission" if code in _DENIED else ""
        raise AwsFailed(f"cannot {doing}: {code}: {message}{cure}") from error
    except BotoCoreError as error:
        cure = "; log in again with `aws sso login`" if isinstance(error, _LOGGED_OUT) else ""
        raise AwsFailed(f"cannot {doing}: {error}{cure}") from error


@dataclass(frozen=True, slots=True)
class Account:
    """Whom we are, and where."""

    number: str
    region: str
    _session: Any

    def client(self, service: str) -> Any:
        """Make a boto3 client."""
        return self._session.client(service)


def open_session(region: str | None) -> boto3.Session:
    """Session in a region that there is, or in none; AWS is not asked.

    Args:
        region: such as `eu-west-1`; None takes AWS_DEFAULT_REGION or the profile's.

    Raises:
        BadRequest: the region or the profile does not exist.

    """
    try:
        session = boto3.Session(region_name=region)
    except ProfileNotFound as error:
        raise BadRequest(f"{error}: correct AWS_PROFILE") from None
    regions = session.get_available_regions("rds")
    if session.region_name not in (None, *regions):
        raise BadRequest(f"region: {unknown(session.region_name, regions)}")
    return session


def open_account(region: str | None) -> Account:
    """Check the region's name and the credentials.

    Raises:
        BadRequest: see `open_session`; or no region is named anywhere.
        AwsFailed: no credentials, or refused ones.

    """
    session = open_session(region)
    if session.region_name is None:
        raise BadRequest("no region: give --region, or set AWS_DEFAULT_REGION")
    with explained("ask AWS who this is"):
        number = session.client("sts").get_caller_identity()["Account"]
    return Account(number, session.region_name, session)
