"""Errors that one part of the proxy raises and another answers."""

from poolbench.lab.proxy.protocol import error_payload


class DatabaseUnavailable(Exception):
    """The database does not answer."""


class Refused(Exception):
    """The client gets an error with this code, SQLSTATE and message."""

    def __init__(self, code: int, sqlstate: str, message: str) -> None:
        super().__init__(f"{code} ({sqlstate}) {message}")
        self.code, self.sqlstate, self.message = code, sqlstate, message

    def payload(self) -> bytes:
        """Return the payload of the ERR packet that the client gets."""
        return error_payload(self.code, self.sqlstate, self.message)


class DatabaseRefused(Refused):
    """The database answered with an error, which is passed on to the client."""
