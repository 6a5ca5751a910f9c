"""Text that people and their tools put into an environment or a file -> the text that is meant.

Editors add a byte order mark or line ends, env files of Windows a carriage return, people a space
or quotes. What no value can contain is taken off; quotes are a fault, for a value could have them.
"""

from __future__ import annotations

import re
from typing import Final

BYTE_ORDER_MARK: Final = "\ufeff"
MAX_TOKEN_CHARACTERS: Final = 4096  # a token has some 40; the proxy looks at no longer one
QUOTES: Final = {
    **{each: each for each in "\"'`"},
    "\u201c": "\u201d",
    "\u201d": "\u201d",
    "\u201e": "\u201c\u201d",
    "\u2018": "\u2019",
    "\u2019": "\u2019",
    "\u201a": "\u2018\u2019",
    "\u00ab": "\u00bb",
    "\u00bb": "\u00ab",
}
"""Opening quotes and what closes each: straight ones, and what word processors of several
languages put in their place."""

INVISIBLE: Final = "\u200b\u200c\u200d\u200e\u200f\u2060" + BYTE_ORDER_MARK
"""Characters without width, which come with text that is copied from a web page or a chat."""

# All that str.strip() takes off by itself; it takes off either these or what it is given.
_WHITESPACE: Final = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def cleaned(text: str) -> str:
    """Without whitespace, line ends and invisible characters around it."""
    return text.strip(_WHITESPACE + INVISIBLE)


def without_line_ends(text: str) -> str:
    """For what may begin or end with a space, as a passphrase does."""
    return text.removeprefix(BYTE_ORDER_MARK).rstrip("\r\n")


def counted(number: int, noun: str) -> str:
    """`1 tunnel`, `2 tunnels`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def is_quoted(text: str) -> bool:
    """Whether it stands in a pair of quotes."""
    return len(text) > 1 and text[-1] in QUOTES.get(text[0], "")


def lines_of(text: str) -> list[str]:
    """Its lines that say something, cleaned. Lines that begin with # are comments."""
    lines = [cleaned(line) for line in _LINE_END.split(text)]
    return [line for line in lines if line and not line.startswith("#")]


def token(text: str) -> str:
    """One token; raises ValueError that tells what is allowed and does not quote it."""
    if is_quoted(text):
        raise ValueError("a token without quotes around it: they would be part of it")
    if not text.isprintable():  # a surrogate, from what is not UTF-8, is not either
        raise ValueError("a token of printable characters in UTF-8, on one line")
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise ValueError(f"a token of at most {MAX_TOKEN_CHARACTERS} characters")
    return text
