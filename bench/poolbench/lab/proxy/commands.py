"""The commands of the protocol: their names, their effect on a session, and how to cut bytes into them. Pure.

A client may send several commands at once, and a command of many megabytes. The reader hands out a long
command as it comes, without ever holding all of it.
"""

from types import MappingProxyType

from pymysql.constants import COMMAND

from poolbench.lab.proxy.protocol import (
    COM_RESET_CONNECTION,
    HEADER_SIZE,
    MAX_PAYLOAD,
    Malformed,
    payload_length,
)
from poolbench.lab.proxy.statements import NO_EFFECT, Effect, Kill

NAMES = MappingProxyType(
    {number: name for name, number in vars(COMMAND).items() if name.startswith("COM_") and name != "COM_END"}
    | {COM_RESET_CONNECTION: "COM_RESET_CONNECTION"}
)
UNANSWERED = frozenset({COMMAND.COM_QUIT, COMMAND.COM_STMT_CLOSE, COMMAND.COM_STMT_SEND_LONG_DATA})
# All others (replication, COM_SHUTDOWN, obsolete ones) are answered as unknown.
PASSED_ON = frozenset(
    {
        COMMAND.COM_INIT_DB,
        COMMAND.COM_QUERY,
        COMMAND.COM_FIELD_LIST,
        COMMAND.COM_STATISTICS,
        COMMAND.COM_PROCESS_INFO,
        COMMAND.COM_PROCESS_KILL,
        COMMAND.COM_DEBUG,
        COMMAND.COM_PING,
        COMMAND.COM_STMT_PREPARE,
        COMMAND.COM_STMT_EXECUTE,
        COMMAND.COM_STMT_RESET,
        COMMAND.COM_SET_OPTION,
        COMMAND.COM_STMT_FETCH,
    }
)
QUERIES = frozenset({COMMAND.COM_QUERY, COMMAND.COM_STMT_EXECUTE})  # what QueryRequests counts
_EFFECTS = MappingProxyType(
    {
        COMMAND.COM_STMT_PREPARE: Effect(pin="prepared statement"),
        COMMAND.COM_SET_OPTION: Effect(pin="COM_SET_OPTION"),
    }
)
TOO_LONG = Effect(pin="statement longer than 16 KB")


def effect_of_command(command: int, argument: bytes) -> Effect:
    """Return the effect on the session of any command but COM_QUERY; for that see `effect_of`."""
    if command == COMMAND.COM_INIT_DB:
        return Effect(schema=argument.decode(errors="replace"))
    if command == COMMAND.COM_PROCESS_KILL and len(argument) >= 4:
        return Effect(kill=Kill(int.from_bytes(argument[:4], "little"), query_only=False))
    return _EFFECTS.get(command, NO_EFFECT)


def name_of(command: int) -> str:
    """Return the name of a command, such as COM_QUERY, or its number if it has none."""
    return NAMES.get(command, f"0x{command:02x}")


# Text up to 16 KB does not pin (RDS Proxy's documentation) and is read; with the byte that names the command
# that is the longest payload that is handed out whole.
WHOLE_LIMIT = 1 + 16 * 1024


class CommandReader:
    """Bytes in, commands out.

    Attributes:
        length: payload length of the command last begun; MAX_PAYLOAD if it is that or more.
        unfinished: whether parts of the command last begun are yet to be taken.

    """

    __slots__ = ("_at", "_continued", "_inbox", "_rest", "length", "unfinished")

    def __init__(self) -> None:
        self.length = 0
        self.unfinished = False
        self._inbox = b""
        self._at = 0  # bytes before are taken; cutting them off each time would be quadratic
        self._rest = 0  # bytes of the current packet that are not taken yet
        self._continued = False  # and another packet of the same command follows

    @property
    def waiting(self) -> int:
        """How many bytes have come and are not taken yet."""
        return len(self._inbox) - self._at

    def feed(self, data: bytes) -> None:
        """Take bytes of the client."""
        if self._inbox:
            self._inbox = self._inbox[self._at :] + data
            self._at = 0
        else:
            self._inbox = data

    def begin(self) -> bytes:
        """Take the next command, header and payload, or the first part of a long one; empty if none has come.

        The command before it must be finished.

        Raises:
            Malformed: it has no payload, or is not the first packet of an exchange.

        """
        inbox, at = self._inbox, self._at
        size = len(inbox)
        if size <= at + HEADER_SIZE:
            if size == at + HEADER_SIZE and inbox[at : at + 3] == b"\x00\x00\x00":
                raise Malformed("an empty command")
            return b""
        length = inbox[at] | inbox[at + 1] << 8 | inbox[at + 2] << 16
        if inbox[at + 3] or not length:
            raise Malformed(f"a command with sequence number {inbox[at + 3]} and {length} bytes")
        end = at + HEADER_SIZE + length
        if size < end and length <= WHOLE_LIMIT:
            return b""
        self.length = length
        self.unfinished = self._continued = length == MAX_PAYLOAD
        if size > end:
            self._at = end
            return inbox[at:end]
        self._inbox, self._at = b"", 0
        self._rest = end - size
        self.unfinished = self._rest > 0 or self._continued
        return inbox[at:] if at else inbox

    def more(self) -> bytes:
        """Take more of the command that was begun; empty if nothing has come."""
        parts = []
        while self.unfinished:
            if not self._rest:
                if self.waiting < HEADER_SIZE:
                    break
                length = payload_length(self._inbox, self._at)
                self._rest = HEADER_SIZE + length
                self._continued = length == MAX_PAYLOAD
            part = self._inbox[self._at : self._at + self._rest]
            if not part:
                break
            self._at += len(part)
            self._rest -= len(part)
            self.unfinished = self._rest > 0 or self._continued
            parts.append(part)
        if not self.waiting:
            self._inbox, self._at = b"", 0
        return b"".join(parts)
