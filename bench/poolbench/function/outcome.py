"""From recorded facts to the outcome of a request."""

import re

from sqlalchemy.exc import DBAPIError

from poolbench.model.row import Failure, Outcome

# asyncio's messages show where code lies, which is another place on each machine.
_DIRECTORY = re.compile(r"(?:/[^\s/:'\"<>]+)+/(?=[^\s/:'\"<>]+\.py\b)")


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
    return Failure(
        error_class=f"{kind.__module__}.{kind.__qualname__}",
        error_code=code,
        error_message=text,
        connection_invalidated=invalidated,
    )


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
