"""Hash tokens with scrypt, and read and write the hashes as text.

    $scrypt$ln=14,r=8,p=1$<salt>$<hash>        the PHC string format, base64 without padding

A device sends no account name, so a token is compared with all lines. Lines with the same salt and
costs need only one computation together. The salt therefore protects a file as a whole against
precomputed tables, and does not keep its lines apart.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

SALT_BYTES = 16
HASH_BYTES = 32
MIN_LOG_N = 10  # with less, guessing is cheap
MAX_MEMORY_BYTES = 64 * 1024 * 1024  # for one computation
MAX_PASSES = 4

_FORM = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9])"
    r"\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})"
)


@dataclass(frozen=True, slots=True)
class HashCosts:
    """The cost parameters of scrypt: N = 2^log_n, r = block, p = passes.

    With the defaults a hash takes 16 MiB and 50 ms.
    """

    log_n: int = 14
    block: int = 8
    passes: int = 1

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory that scrypt needs for one hash."""
        return 128 * self.block << self.log_n

    @property
    def are_bearable(self) -> bool:
        """Whether the costs are within the allowed limits.

        They must be high enough that guessing tokens is slow, and low enough that checking guessed
        tokens cannot overload the proxy.
        """
        return (
            MIN_LOG_N <= self.log_n < 16 * self.block  # the upper limit is a rule of scrypt
            and self.memory_bytes <= MAX_MEMORY_BYTES
            and 1 <= self.passes <= MAX_PASSES
        )


@dataclass(frozen=True, slots=True)
class HashParameters:
    """The salt and the costs with which a token is hashed."""

    salt: bytes
    costs: HashCosts = HashCosts()

    def hash(self, token: str) -> bytes:
        """Return the scrypt hash of `token`, 32 bytes.

        Blocks the thread, with the default costs for some 50 ms.
        """
        return hashlib.scrypt(
            token.encode("utf-8", "surrogatepass"),
            salt=self.salt,
            n=1 << self.costs.log_n,
            r=self.costs.block,
            p=self.costs.passes,
            maxmem=2 * MAX_MEMORY_BYTES,  # OpenSSL counts more than scrypt's own memory
            dklen=HASH_BYTES,
        )


def hash_text(recipe: HashParameters, hashed: bytes) -> str:
    """Return the hash and its parameters as text in the PHC string format: `$scrypt$ln=...`."""
    costs = recipe.costs
    return (
        f"$scrypt$ln={costs.log_n},r={costs.block},p={costs.passes}"
        f"${_base64(recipe.salt)}${_base64(hashed)}"
    )


def parsed_hash(text: str) -> tuple[HashParameters, bytes]:
    """Return the hash parameters and the hash in `text`, which has the PHC string format.

    Raises ValueError, which says what is allowed.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(
            "allowed: ACCOUNT $scrypt$ln=N,r=N,p=N$SALT$HASH, as tessel-proxy hash-token makes"
        )
    log_n, block, passes, salt, hashed = found.groups()
    costs = HashCosts(int(log_n), int(block), int(passes))
    if not costs.are_bearable:
        raise ValueError(
            f"allowed: costs of scrypt from ln=10,r=1,p=1 up to {MAX_MEMORY_BYTES >> 20} MiB "
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
