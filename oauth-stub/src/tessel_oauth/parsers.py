"""Parsers for settings that only the token service has.

A parser raises ValueError; the error's text says what is allowed, and follows "allowed:".
"""

from __future__ import annotations

import re
from typing import Final

from tessel_service_kit.texts import token

MAX_TEXT: Final = 256  # characters of a name or key: a request must hold all of them


def printable(text: str) -> str:
    """Parse a name or key: printable characters, not too many."""
    if not text.isprintable() or len(text) > MAX_TEXT:  # surrogates are not printable either
        raise ValueError(f"1 to {MAX_TEXT} printable characters in UTF-8")
    return text


def api_key(text: str) -> str:
    """Parse an API key: a token that is short enough for a request."""
    return printable(token(text))


def client_id(text: str) -> str:
    """Parse the id of an OAuth client, with the rules of the original server."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{3,40}", text):
        raise ValueError("3 to 40 letters, digits, - and _")
    return text


def database(text: str) -> str:
    """Parse the path of a database file, or `:memory:`."""
    if "\x00" in text:
        raise ValueError("a path, or :memory:")
    return text
