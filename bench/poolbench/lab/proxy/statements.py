"""What a statement does to the session it runs in, read from its text. Pure.

RDS Proxy documents which statements pin a client to its database connection and which settings it tracks
instead ("Avoiding pinning", Amazon RDS User Guide). As there, what happens inside stored routines is not
seen. Strings are read with backslash escapes and `"` as a quote; NO_BACKSLASH_ESCAPES and ANSI_QUOTES, which
change that, are ignored.
"""

import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

# Names for the two parts of `SET SESSION TRANSACTION`, whose variables are called differently by each server.
ISOLATION_LEVEL, ACCESS_MODE = "isolation level", "access mode"
TRACKED = frozenset(
    {
        "auto_increment_increment",
        "autocommit",
        "character set",
        "character_set_client",
        "character_set_connection",
        "character_set_database",
        "character_set_filesystem",
        "character_set_results",
        "character_set_server",
        "collation_connection",
        "collation_database",
        "collation_server",
        "interactive_timeout",
        "names",
        "net_write_timeout",
        "query_cache_type",
        "session_track_schema",
        "sql_mode",
        "time_zone",
        "transaction_isolation",
        "transaction_read_only",
        "tx_isolation",
        "tx_read_only",
        "wait_timeout",
    }
)
Variables = tuple[tuple[str, str], ...]
# Linear in the length of any text: unterminated tokens end with the text.
_TOKEN = re.compile(
    rb"""
      (?P<space> \s+ | --(?=[\s]|\Z)[^\n]* | \#[^\n]* | /\*(?![!M]).*?(?:\*/|\Z) | /\*M?!\d* | \*/ )
    | (?P<string> '(?:[^'\\]|\\.?|'')*+(?:'|\Z) | "(?:[^"\\]|\\.?|"")*+(?:"|\Z) )
    | (?P<quoted> `(?:[^`]|``)*+(?:`|\Z) )
    | (?P<word> @{1,2}[\w$.\x80-\xff]* | [\w$\x80-\xff]+ )
    | (?P<sign> := | . )
    """,
    re.VERBOSE | re.DOTALL,
)


def split(text: bytes) -> Iterator[list[str]]:
    """Tokens of each statement, without space and comments; what `/*! */` holds is taken as it is run."""
    tokens: list[str] = []
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "space":
            continue
        word = match[0].decode("latin-1")
        if word != ";":
            tokens.append(word)
        elif tokens:
            yield tokens
            tokens = []
    if tokens:
        yield tokens


def statements_of(text: str) -> list[bytes]:
    """Cut a text at its semicolons."""
    raw = text.encode()
    cuts = [-1, *(match.start() for match in _TOKEN.finditer(raw) if match[0] == b";"), len(raw)]
    pieces = (raw[start + 1 : end].strip() for start, end in itertools.pairwise(cuts))
    return [piece for piece in pieces if piece]


def unquoted(word: str) -> str:
    """Return an identifier without its backticks."""
    name = word.strip("`").replace("``", "`") if word.startswith("`") else word
    return name.encode("latin-1").decode("utf-8", "replace")


# Statements without any of these words, nearly all, are not parsed.
_SUSPICIOUS = re.compile(
    rb"(?i)@|\b(?:set|use|drop|lock|flush|get_lock|prepare|execute|deallocate|temporary|handler|xa|kill"
    rb"|last_insert_id|found_rows|row_count)\b"
)
_LITERAL = re.compile(r"-?[\w.]+|'.*'|\".*\"", re.DOTALL)
UNTRACKED_VARIABLE, USER_VARIABLE = "untracked variable", "user variable"
VARIABLE_SETS = frozenset({UNTRACKED_VARIABLE, USER_VARIABLE})  # what EXCLUDE_VARIABLE_SETS lets through
_PINNING_VERBS = {
    "PREPARE": "prepared statement",
    "EXECUTE": "prepared statement",
    "DEALLOCATE": "prepared statement",
    "HANDLER": "HANDLER",
    "XA": "XA transaction",
}
_PINNING_FUNCTIONS = frozenset({"GET_LOCK", "LAST_INSERT_ID", "FOUND_ROWS", "ROW_COUNT"})
# These may set any user variable that they name: OUT parameters, diagnostics, columns of a file.
_SETTING_VERBS = frozenset({"CALL", "GET", "LOAD"})
_SCOPES = frozenset({"SESSION", "LOCAL", "GLOBAL", "PERSIST", "PERSIST_ONLY"})
_OF_THE_SESSION = frozenset({"SESSION", "LOCAL"})
_ROUTINES = frozenset({"PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"})


@dataclass(frozen=True, slots=True)
class Kill:
    """`KILL [CONNECTION] id`, or `KILL QUERY id`."""

    connection: int
    query_only: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What to note when the statements of one command have succeeded.

    Attributes:
        pin: why the client must keep this database connection from now on; None if it need not.
        variables: tracked ones that were set, in order.
        schema: the new default schema; None if it stays.
        dropped: schemas that were dropped.
        kill: the connection that is to be killed.
        statements: how many there were.

    """

    pin: str | None = None
    variables: Variables = ()
    schema: str | None = None
    dropped: tuple[str, ...] = ()
    kill: Kill | None = None
    statements: int = 1

    def then(self, other: "Effect") -> "Effect":
        """Return the effect of both, one after the other."""
        return Effect(
            pin=self.pin or other.pin,
            variables=self.variables + other.variables,
            schema=self.schema if other.schema is None else other.schema,
            dropped=tuple(name for name in self.dropped if name != other.schema) + other.dropped,
            kill=self.kill or other.kill,
            statements=self.statements + other.statements,
        )


NO_EFFECT = Effect()
REMEMBERED_LENGTH = 512  # of a text whose effect is cached


def effect_of(text: bytes) -> Effect:
    """Read the statements in the text of one COM_QUERY."""
    return _remembered(text) if len(text) <= REMEMBERED_LENGTH else _read(text)


def _read(text: bytes) -> Effect:
    if not _SUSPICIOUS.search(text):
        return NO_EFFECT
    # The body of a routine follows its head and does not run now.
    statements = itertools.takewhile(lambda words: not _makes_routine(words), split(text))
    effects = [_effect_of_one(words) for words in statements]
    return functools.reduce(Effect.then, effects[1:], effects[0]) if effects else NO_EFFECT


_remembered = functools.lru_cache(maxsize=1024)(_read)


def _makes_routine(words: list[str]) -> bool:
    head = [word.upper() for word in words[:12]]
    return head[0] in {"CREATE", "ALTER"} and not _ROUTINES.isdisjoint(head)


def _effect_of_one(tokens: list[str]) -> Effect:
    words = [word.upper() for word in tokens]
    verb = words[0]
    if verb == "SET":
        return _effect_of_set(tokens, words)
    if verb == "USE" and len(tokens) > 1:
        return Effect(schema=unquoted(tokens[1]))
    if verb == "KILL" and words[-1].isdecimal():
        return Effect(kill=Kill(int(words[-1]), query_only="QUERY" in words))
    if verb == "DROP" and len(tokens) > 2 and words[1] in {"DATABASE", "SCHEMA"}:
        return Effect(dropped=(unquoted(tokens[-1]),))
    return Effect(pin=_PINNING_VERBS.get(verb) or _pin_of(words))


def _pin_of(words: list[str]) -> str | None:
    verb = words[0]
    if verb == "LOCK" or (verb == "FLUSH" and ("LOCK" in words or "EXPORT" in words)):
        return "LOCK TABLES"
    if verb == "CREATE" and "TEMPORARY" in words[1:4]:
        return "temporary table"
    if verb in _SETTING_VERBS and any(map(_is_user_variable, words)):
        return USER_VARIABLE
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in _PINNING_FUNCTIONS and following == "(":
            return f"{word}()"
        if _is_user_variable(word) and following == ":=":
            return USER_VARIABLE
        if word == "INTO" and _is_user_variable(following):
            return USER_VARIABLE
    return None


def _effect_of_set(tokens: list[str], words: list[str]) -> Effect:
    if words[1:2] == ["STATEMENT"] and "FOR" in words:  # MariaDB: for the one statement that follows
        return _effect_of_one(tokens[words.index("FOR") + 1 :] or tokens[:1])
    if words[1:2] in (["PASSWORD"], ["DEFAULT"]):
        return NO_EFFECT
    if words[1:2] in (["ROLE"], ["RESOURCE"], ["TRANSACTION"]):  # the last is for the next transaction only
        return Effect(pin=f"SET {words[1]}")
    if words[2:3] == ["TRANSACTION"]:
        return _effect_of_set_transaction(words)
    pin, variables, scope = None, list[tuple[str, str]](), "SESSION"
    for assignment in _assignments(tokens[1:]):
        if assignment[0].upper() in _SCOPES and len(assignment) > 1:
            scope = assignment.pop(0).upper()  # it holds for those that follow, too
        name, value = _name_and_value(assignment)
        here, _, rest = name.rpartition(".")
        if name.startswith("@@"):
            name, used = rest.lstrip("@"), here.lstrip("@").upper() or "SESSION"
        else:
            used = scope
        if used not in _OF_THE_SESSION or name == "autocommit":  # of autocommit, the status tells
            continue
        if name.startswith("@"):
            pin = pin or USER_VARIABLE
        elif value is None or not (name in TRACKED or used == "LOCAL"):
            pin = pin or UNTRACKED_VARIABLE
        else:
            variables.append((name, value))
    return Effect(pin, tuple(variables))


def _effect_of_set_transaction(words: list[str]) -> Effect:
    """`SET SESSION TRANSACTION ISOLATION LEVEL ..., READ ONLY`."""
    if words[1] not in _OF_THE_SESSION:
        return NO_EFFECT
    characteristics = (" ".join(part) for part in _assignments(words[3:]))
    return Effect(
        variables=tuple(
            (ISOLATION_LEVEL if part.startswith("ISOLATION") else ACCESS_MODE, part)
            for part in characteristics
        )
    )


def _assignments(tokens: list[str]) -> Iterator[list[str]]:
    depth, part = 0, list[str]()
    for word in tokens:
        depth += (word == "(") - (word == ")")
        if word == "," and not depth:
            if part:
                yield part
            part = []
        else:
            part.append(word)
    if part:
        yield part


def _name_and_value(tokens: list[str]) -> tuple[str, str | None]:
    """Name in lower case, and the literal that it is set to; None for anything but a literal."""
    words = [word.upper() for word in tokens]
    if words[0] == "NAMES":
        return "names", " ".join(tokens[1:])
    if words[0] == "CHARSET" or words[:2] == ["CHARACTER", "SET"]:
        return "character set", " ".join(tokens[1 if words[0] == "CHARSET" else 2 :])
    sign = tokens[2:3] == ["-"]
    value = "".join(tokens[2:])
    is_literal = words[1:2] in (["="], [":="]) and len(tokens) == 3 + sign and _LITERAL.fullmatch(value)
    return unquoted(tokens[0]).lower(), value if is_literal else None


def _is_user_variable(word: str) -> bool:
    return word.startswith("@") and not word.startswith("@@")
