"""Text of the environment -> typed values, for what only a token service is told.

A parser raises ValueError with the words that follow "allowed:" in the fault's sentence.
"""

from __future__ import annotations

import re
from typing import Final

from tessel_service_kit.texts import token

MAX_TEXT: Final = 256  # of names and keys: all of a request's must fit its limits


def printable(text: str) -> str:
    if not text.isprintable() or len(text) > MAX_TEXT:  # surrogates are not printable either
        raise ValueError(f"1 to {MAX_TEXT} printable characters in UTF-8")
    return text


def api_key(text: str) -> str:
    """One token, short enough for a request."""
    return printable(token(text))


def client_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{3,40}", text):  # the original refuses every other id
        raise ValueError("3 to 40 letters, digits, - and _")
    return text


def database(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a path, or :memory:")
    return text
