"""The commands of the protocol: what they are called, which are passed on, and what they do to a session."""

from types import MappingProxyType

from pymysql.constants import COMMAND

from poolbench.lab.proxy.protocol import COM_RESET_CONNECTION
from poolbench.lab.proxy.statements import NO_EFFECT, Effect, Kill

NAMES = MappingProxyType(
    {number: name for name, number in vars(COMMAND).items() if name.startswith("COM_") and name != "COM_END"}
    | {COM_RESET_CONNECTION: "COM_RESET_CONNECTION"}
)
UNANSWERED = frozenset({COMMAND.COM_QUIT, COMMAND.COM_STMT_CLOSE, COMMAND.COM_STMT_SEND_LONG_DATA})
# All others (replication, COM_SHUTDOWN, those that servers have long dropped) are unknown here.
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
    """What any command but COM_QUERY does to its session, as `effect_of` says it of that one."""
    if command == COMMAND.COM_INIT_DB:
        return Effect(schema=argument.decode(errors="replace"))
    if command == COMMAND.COM_PROCESS_KILL and len(argument) >= 4:
        return Effect(kill=Kill(int.from_bytes(argument[:4], "little"), query_only=False))
    return _EFFECTS.get(command, NO_EFFECT)


def name_of(command: int) -> str:
    """COM_QUERY and so on; the number of one without a name."""
    return NAMES.get(command, f"0x{command:02x}")
