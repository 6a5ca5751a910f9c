"""Tokens -> the names under which things are remembered of them.

A token itself is kept nowhere longer than its tunnel lasts: whoever gets to see a memory of ours
finds digests that are worth nothing without the key, and nothing outside this process.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import TypeAlias

DIGEST_BYTES = 32  # two tokens with one digest do not happen
KEY_BYTES = 32

Digest: TypeAlias = Callable[[str], bytes]


def keyed_digest(key: bytes) -> Digest:
    """The digest under this key, of any text from the wire."""

    def digest(token: str) -> bytes:
        nbytes = token.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(nbytes, key=key, digest_size=DIGEST_BYTES).digest()

    return digest


def fresh_digest() -> Digest:
    """Under a key that nobody else has."""
    return keyed_digest(secrets.token_bytes(KEY_BYTES))
