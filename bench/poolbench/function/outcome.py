"""From recorded facts to the outcome of a request."""

import re
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from poolbench.function.record import Outcome

# asyncio's messages show where code lies, which is another place on each machine.
_DIRECTORY = re.compile(r"(?:/[^\s/:'\"<>]+)+/(?=[^\s/:'\"<>]+\.py\b)")


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, in the driver's own words."""

    error_class: str  # pymysql.err.OperationalError, sqlalchemy.exc.TimeoutError, ...
    code: int | None  # the driver's native code
    message: str
    invalidated: bool | None  # SQLAlchemy's `connection_invalidated`; None where it made no verdict


def describe(error: BaseException) -> Failure:
    """Unwrap SQLAlchemy's exception to the driver's and keep SQLAlchemy's verdict on the connection."""
    original: BaseException = error
    invalidated = None
    if isinstance(error, DBAPIError):
        invalidated = error.connection_invalidated
        original = error.orig or error
    code = next((part for part in original.args[:1] if isinstance(part, int)), None)
    message = original.args[1] if code is not None and len(original.args) > 1 else original
    kind = type(original)
    text = _DIRECTORY.sub("", str(message))
    return Failure(f"{kind.__module__}.{kind.__qualname__}", code, text, invalidated)


def classify(*, failed: bool, deadline_passed: bool, replacements: int) -> Outcome:
    """Decide the outcome.

    Args:
        failed: the caller got an exception.
        deadline_passed: the request had to be cut off, whatever it raised or returned then.
        replacements: connections opened in place of one that the pool had held before.

    """
    if deadline_passed:
        return Outcome.HANG
    if failed:
        return Outcome.ERROR
    return Outcome.RECONNECTED if replacements else Outcome.OK
