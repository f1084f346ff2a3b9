"""Cuts SQL text into statements and words, as far as it must be understood here. Pure.

Strings are read with backslash escapes and `"` as a quote, which NO_BACKSLASH_ESCAPES and ANSI_QUOTES change.
"""

import itertools
import re
from collections.abc import Iterator

# Linear in the text's length, whatever it is: what does not end, ends with the text.
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
