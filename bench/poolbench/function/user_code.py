"""Somebody's own engines and requests, `package.module:function`: the only code that a campaign file runs."""

import contextlib
import importlib
import inspect
from collections.abc import Callable
from typing import Any


def import_function(name: str) -> Callable[..., Any]:
    """Import what `package.module:function` names, a function of one argument.

    Raises:
        ImportError: the function does not exist, or its module cannot be imported; the message says why.

    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ImportError(str(error)) from error
    except Exception as error:  # the module's own code may raise anything
        raise ImportError(f"{type(error).__name__}: {error}") from error
    if not callable(found):
        raise ImportError(f"it is not a function but of type {type(found).__name__}")
    own: Callable[..., Any] = found
    with contextlib.suppress(ValueError):  # it has no signature, as some that are built in
        try:
            inspect.signature(own).bind(None)
        except TypeError as error:
            raise ImportError(f"it cannot be called with one argument: {error}") from error
    return own
