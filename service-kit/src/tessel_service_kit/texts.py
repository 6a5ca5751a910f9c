"""Clean the text of settings and files that people write by hand.

Editors add a byte order mark or line ends, env files from Windows a carriage return, people a space
or quotes. Characters that no value can contain are removed. Quotes are reported as a fault, because
a value could contain them.
"""

from __future__ import annotations

import re
from typing import Final

BYTE_ORDER_MARK: Final = "\ufeff"
MAX_TOKEN_CHARACTERS: Final = 4096  # tokens have about 40; the proxy rejects longer ones unread
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
"""Opening quotes, each with the quotes that close it: straight ones, and those that word processors
use in several languages."""

INVISIBLE: Final = "\u200b\u200c\u200d\u200e\u200f\u2060" + BYTE_ORDER_MARK
"""Characters without width: text copied from a web page or a chat can contain them."""

# The characters that str.strip() removes if it gets no argument.
_WHITESPACE: Final = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def cleaned(text: str) -> str:
    """Return `text` without whitespace, line ends and invisible characters at both its ends."""
    return text.strip(_WHITESPACE + INVISIBLE)


def without_line_ends(text: str) -> str:
    """Return `text` without a byte order mark and line ends.

    Spaces stay, because a passphrase may end with one.
    """
    return text.removeprefix(BYTE_ORDER_MARK).rstrip("\r\n")


def counted(number: int, noun: str) -> str:
    """Return number and noun, such as `1 tunnel` or `2 tunnels`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable(text: str) -> str:
    """Return `text` with characters that are not printable as backslash escapes.

    So a peer's text cannot control the terminal of whoever reads a log.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def is_quoted(text: str) -> bool:
    """Return whether the text begins and ends with a quotation mark that belongs to a pair."""
    return len(text) > 1 and text[-1] in QUOTES.get(text[0], "")


def lines_of(text: str) -> list[str]:
    """Return the lines of `text`, without whitespace around them.

    Empty lines and comments (lines that begin with #) are left out.
    """
    lines = [cleaned(line) for line in _LINE_END.split(text)]
    return [line for line in lines if line and not line.startswith("#")]


def token(text: str) -> str:
    """Return `text` if it can be a token.

    Raises:
        ValueError: the text says what is allowed. It does not quote the token, which is a secret.
    """
    if is_quoted(text):
        raise ValueError("a token without quotes around it: they would be part of it")
    if not text.isprintable():  # false, too, for surrogates, which bytes outside UTF-8 become
        raise ValueError("a token of printable characters in UTF-8, on one line")
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise ValueError(f"a token of at most {MAX_TOKEN_CHARACTERS} characters")
    return text


def without_login(text: str) -> str:
    """Return a URL without user and password, for a fault: operators put passwords there."""
    return re.sub(r"//.*@", "//...@", text)
