"""Packets of the MySQL protocol: framing, the few that the proxy writes, and where an answer ends. Pure.

A packet is a header of 4 bytes (payload length in 3, little-endian, then the sequence number) and its
payload; a payload of 0xFFFFFF bytes is continued in the next packet. See "MySQL Client/Server Protocol" in
the MySQL Source Code Documentation, the source of the names here. Neither side of the proxy knows
CLIENT_DEPRECATE_EOF.
"""

from pymysql.constants import COMMAND, ER, SERVER_STATUS

HEADER_SIZE = 4
MAX_PAYLOAD = 0xFF_FF_FF

OK, EOF, ERR = 0x00, 0xFE, 0xFF  # first byte of the payload
LOCAL_INFILE = 0xFB

COM_RESET_CONNECTION = 0x1F  # which PyMySQL does not list

# The value of SERVER_STATUS_AUTOCOMMIT and its like, as plain numbers for the inner loops.
IN_TRANSACTION = SERVER_STATUS.SERVER_STATUS_IN_TRANS
AUTOCOMMIT = SERVER_STATUS.SERVER_STATUS_AUTOCOMMIT
MORE_RESULTS = SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS
CURSOR_EXISTS = SERVER_STATUS.SERVER_STATUS_CURSOR_EXISTS


class Malformed(Exception):
    """Bytes that do not follow the protocol."""


def payload_length(data: bytes, at: int = 0) -> int:
    """Payload length in the header at offset `at`; the header must be there."""
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16


def packet(sequence: int, payload: bytes) -> bytes:
    """Frame a payload shorter than MAX_PAYLOAD."""
    return (len(payload) | (sequence & 0xFF) << 24).to_bytes(HEADER_SIZE, "little") + payload


def ok_payload(status: int) -> bytes:
    """OK: no rows affected, nothing inserted."""
    return b"\x00\x00\x00" + status.to_bytes(2, "little") + b"\x00\x00"


def ok(sequence: int, status: int) -> bytes:
    """OK packet."""
    return packet(sequence, ok_payload(status))


def error_payload(code: int, sqlstate: str, message: str) -> bytes:
    """ERR, with the server's own codes and SQLSTATEs."""
    return b"\xff" + code.to_bytes(2, "little") + f"#{sqlstate}{message}".encode()


def error(sequence: int, code: int, sqlstate: str, message: str) -> bytes:
    """ERR packet."""
    return packet(sequence, error_payload(code, sqlstate, message))


def auth_switch(plugin: bytes, nonce: bytes) -> bytes:
    """Payload that asks the client to authenticate with another plugin."""
    return b"\xfe" + plugin + b"\x00" + nonce + b"\x00"


def read_integer(data: bytes, at: int) -> tuple[int, int]:
    """Length-encoded integer at offset `at`, and the offset behind it.

    Raises:
        Malformed: it is not one, or does not end within `data`.

    """
    first = data[at] if at < len(data) else 0xFF
    if first < 0xFB:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first)
    if size is None or at + 1 + size > len(data):
        raise Malformed(f"no length-encoded integer at {at}")
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Length-encoded string at offset `at`, and the offset behind it.

    Raises:
        Malformed: it does not end within `data`.

    """
    length, at = read_integer(data, at)
    if at + length > len(data):
        raise Malformed(f"a string of {length} bytes at {at} does not fit")
    return data[at : at + length], at + length


def read_terminated(data: bytes, at: int) -> tuple[bytes, int]:
    """NUL-terminated string at offset `at`, and the offset behind it.

    Raises:
        Malformed: it does not end within `data`.

    """
    end = data.find(b"\x00", at)
    if end < 0:
        raise Malformed(f"the string at {at} does not end")
    return data[at:end], end + 1


DEFINITION = 3  # a column definition begins with the length of "def"

# What the next packet is. Plain integers: an enum's members are slow to reach, and these are compared for
# every packet.
_FIRST = 0  # OK, ERR or the number of columns
_COLUMNS = 1  # column definitions, then EOF
_ROWS = 2  # rows (or the definitions of COM_FIELD_LIST), then EOF or ERR
_PREPARED = 3  # the answer to COM_STMT_PREPARE
_DEFINITIONS = 4  # a known number of packets that carry no state
_DONE = 5

_BEGINS: dict[int, tuple[int, int]] = {
    COMMAND.COM_STMT_PREPARE: (_PREPARED, 0),
    COMMAND.COM_STMT_FETCH: (_ROWS, 0),
    COMMAND.COM_FIELD_LIST: (_ROWS, 0),
    COMMAND.COM_STATISTICS: (_DEFINITIONS, 1),
}

# Errors after which the server closes the connection, always or (where a statement was killed) perhaps.
BEFORE_HANGING_UP = frozenset(
    {ER.NET_PACKET_TOO_LARGE, ER.NET_PACKETS_OUT_OF_ORDER, ER.QUERY_INTERRUPTED, ER.SERVER_SHUTDOWN}
    | {1927, 3169}  # MariaDB's ER_CONNECTION_KILLED and MySQL's ER_SESSION_WAS_KILLED
)


class ServerReply:
    """One answer in progress.

    Attributes:
        status: the last status word in it, -1 before there is one; where an answer ends with an ERR packet,
            that packet brings none.
        error: the code of the ERR packet that ended it, otherwise 0.

    """

    __slots__ = ("_remaining", "_skip", "_stage", "_stash", "_whole", "error", "status")

    def __init__(self) -> None:
        self._stage = _DONE
        self._remaining = 0  # packets of this stage, where they are counted
        self._skip = 0  # bytes of the current packet that are yet to come and not looked at
        self._stash = b""  # the start of a packet, too short to understand it
        self._whole = True  # False: the next packet continues the last one
        self.status = -1
        self.error = 0

    def begin(self, command: int) -> None:
        """Expect the answer to `command`."""
        self._stage, self._remaining = _BEGINS.get(command, (_FIRST, 0))
        self.status = -1
        self.error = 0

    def feed(self, data: bytes) -> bool:
        """Look at the next bytes; True when the answer is complete.

        Raises:
            Malformed: the bytes do not follow the protocol, or go on behind the answer's end.

        """
        if self._stash:
            data = self._stash + data
            self._stash = b""
        # Local names, and definitions and rows passed over without a call: this runs for every packet.
        stage, remaining, whole = self._stage, self._remaining, self._whole
        at, size = self._skip, len(data)
        while at + HEADER_SIZE < size:
            length = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            start = at + HEADER_SIZE
            at = start + length
            first = data[start]
            if not whole or (stage == _ROWS and (first < EOF or (first == EOF and length >= 9))):
                pass  # a row, or more of one; 0xFE begins one, too, if its first value is a very long one
            elif stage == _COLUMNS and remaining and first == DEFINITION:
                remaining -= 1
            elif at > size:
                at = start - HEADER_SIZE
                break
            else:
                self._remaining = remaining
                self._look(data, start, length)
                stage, remaining = self._stage, self._remaining
                if stage == _DONE:
                    if at != size:
                        raise Malformed(f"{size - at} bytes behind the end of the answer")
                    self._skip = 0
                    return True
            whole = length != MAX_PAYLOAD
        self._remaining, self._whole = remaining, whole
        if at < size:
            self._stash = data[at:]
            self._skip = 0
        else:
            self._skip = at - size
        return False

    def _look(self, data: bytes, start: int, length: int) -> None:
        """Move on by one packet, whose payload of `length` bytes begins at `start`."""
        if not length:
            raise Malformed("an empty packet within an answer")
        first, stage = data[start], self._stage
        if stage == _DONE:
            raise Malformed("an answer to nothing")
        if first == ERR:
            self.error = int.from_bytes(data[start + 1 : start + 3], "little")
            self._stage = _DONE
        elif stage == _COLUMNS:
            if self._remaining:
                raise Malformed(f"a packet with {first:#04x} in place of a column definition")
            status = self._end_of(data, start, first, length)
            # With a cursor the rows are fetched by later commands.
            self._stage = _DONE if status & CURSOR_EXISTS else _ROWS
        elif stage == _ROWS:
            self._finish(self._end_of(data, start, first, length))
        elif stage == _FIRST:
            self._look_at_first(data, start, first, length)
        else:
            if stage == _PREPARED:
                self._remaining = 1 + _definitions(data, start, first, length)
                self._stage = _DEFINITIONS
            self._remaining -= 1
            if not self._remaining:
                self._stage = _DONE

    def _look_at_first(self, data: bytes, start: int, first: int, length: int) -> None:
        if first == OK:
            _, at = read_integer(data, start + 1)  # affected rows
            _, at = read_integer(data, at)  # last insert id
            self._finish(_word(data, at, start + length))
        elif first == EOF and length < 9:
            self._finish(self._end_of(data, start, first, length))
        elif first == LOCAL_INFILE:
            raise Malformed("the server asks for a file of the client, which was not offered")
        else:
            self._remaining, _ = read_integer(data, start)
            self._stage = _COLUMNS

    def _end_of(self, data: bytes, start: int, first: int, length: int) -> int:
        if first != EOF or length != 5:
            raise Malformed(f"a packet with {first:#04x} in place of EOF")
        self.status = _word(data, start + 3, start + length)
        return self.status

    def _finish(self, status: int) -> None:
        self.status = status
        self._stage = _FIRST if status & MORE_RESULTS else _DONE


def _word(data: bytes, at: int, end: int) -> int:
    if at + 2 > end:
        raise Malformed("a packet without its status")
    return data[at] | data[at + 1] << 8


def _definitions(data: bytes, start: int, first: int, length: int) -> int:
    """How many packets follow the head of a COM_STMT_PREPARE_OK."""
    if first != OK or length < 9:
        raise Malformed("an answer to COM_STMT_PREPARE that is none")
    columns, parameters = _word(data, start + 5, start + length), _word(data, start + 7, start + length)
    return sum(count + 1 for count in (columns, parameters) if count)
