"""Tokens <-> what a file may hold of them: scrypt's hash, with its salt and its costs.

    $scrypt$ln=14,r=8,p=1$<salt>$<hash>        the PHC string format, base64 without padding

A token comes without a name, so it could be anybody's: all lines with one salt and costs are
looked through with one computation. The salt guards a file as a whole, not one line from another.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

SALT_BYTES = 16
HASH_BYTES = 32
MIN_LOG_N = 10  # below, a hash is quickly guessed
MAX_MEMORY_BYTES = 64 * 1024 * 1024  # of one computation
MAX_PASSES = 4

_FORM = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9])"
    r"\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})"
)


@dataclass(frozen=True, slots=True)
class HashCosts:
    """2^log_n rounds over 128 * block bytes each, so many times."""

    log_n: int = 14  # with the others 16 MiB and some 50 ms
    block: int = 8
    passes: int = 1

    @property
    def memory_bytes(self) -> int:
        return 128 * self.block << self.log_n

    @property
    def are_bearable(self) -> bool:
        """Strong enough to be of use, and not so costly that guessers stop the proxy with it."""
        return (
            MIN_LOG_N <= self.log_n < 16 * self.block  # the latter is scrypt's own rule
            and self.memory_bytes <= MAX_MEMORY_BYTES
            and 1 <= self.passes <= MAX_PASSES
        )


@dataclass(frozen=True, slots=True)
class HashParameters:
    """All that makes a hash of a token."""

    salt: bytes
    costs: HashCosts = HashCosts()

    def hash(self, token: str) -> bytes:
        """Blocking, for as long as the costs say."""
        return hashlib.scrypt(
            token.encode("utf-8", "surrogatepass"),
            salt=self.salt,
            n=1 << self.costs.log_n,
            r=self.costs.block,
            p=self.costs.passes,
            maxmem=2 * MAX_MEMORY_BYTES,  # OpenSSL counts some besides
            dklen=HASH_BYTES,
        )


def hash_text(recipe: HashParameters, hashed: bytes) -> str:
    costs = recipe.costs
    return (
        f"$scrypt$ln={costs.log_n},r={costs.block},p={costs.passes}"
        f"${_base64(recipe.salt)}${_base64(hashed)}"
    )


def parsed_hash(text: str) -> tuple[HashParameters, bytes]:
    """Recipe and hash; raises ValueError that tells what is allowed, and does not quote it."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(
            "allowed: ACCOUNT $scrypt$ln=N,r=N,p=N$SALT$HASH, as tessel-proxy hash-token makes"
        )
    log_n, block, passes, salt, hashed = found.groups()
    costs = HashCosts(int(log_n), int(block), int(passes))
    if not costs.are_bearable:
        raise ValueError(
            f"allowed: scrypt's costs from ln=10,r=1,p=1 up to {MAX_MEMORY_BYTES >> 20} MiB "
            f"and p={MAX_PASSES}"
        )
    try:
        return HashParameters(_as_bytes(salt), costs), _as_bytes(hashed)
    except ValueError:
        raise ValueError("allowed: base64 without padding for salt and hash") from None


def _base64(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")


def _as_bytes(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), validate=True)
