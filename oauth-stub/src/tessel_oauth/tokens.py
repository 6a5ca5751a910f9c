"""Make, digest, hash and compare tokens, keys and secrets. Pure: random bytes are an argument."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable

Random = Callable[[int], bytes]  # returns that many random bytes, such as os.urandom

ACCESS_TOKEN_BYTES = 20  # 40 hex digits, as in the original server
API_KEY_BYTES = 16

# The cost of scrypt: 16 MiB and about 50 ms per guess, also for somebody who stole the file.
SCRYPT_N = 2**14
SCRYPT_R = 8
SCRYPT_P = 1
SCRYPT_MEMORY = 64 * 1024 * 1024
SALT_BYTES = 16
HASH_BYTES = 32


def new_access_token(random: Random) -> str:
    """Return a new access token of 40 hex digits."""
    return random(ACCESS_TOKEN_BYTES).hex()


def new_api_key(random: Random) -> str:
    """Return a new API key of 32 hex digits."""
    return random(API_KEY_BYTES).hex()


def digest(token: str) -> bytes:
    """Return the SHA-256 digest of an access token, which is stored instead of the token.

    It needs neither a salt nor a slow hash: 160 random bits cannot be guessed.
    """
    return hashlib.sha256(token.encode()).digest()


def hash_secret(secret: str, random: Random) -> str:
    """Return the scrypt hash of a client's secret, as text for the database. Slow.

    The form is `scrypt$N$r$p$salt$hash`.
    """
    salt = random(SALT_BYTES)
    hashed = _scrypt(secret, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    words = ["scrypt", str(SCRYPT_N), str(SCRYPT_R), str(SCRYPT_P)]
    return "$".join([*words, b64encode(salt).decode(), b64encode(hashed).decode()])


def secret_matches(secret: str, stored: str) -> bool:
    """Return whether `stored` is the hash of `secret`.

    Slow; a right and a wrong secret take equally long.

    Raises:
        ValueError: the hash was made with another algorithm.
    """
    kind, n, r, p, salt, hashed = stored.split("$")
    if kind != "scrypt":
        raise ValueError(f"a secret hashed by {kind!r}; known: scrypt")
    found = _scrypt(secret, b64decode(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, b64decode(hashed))


def expiry(now: float, lifetime_s: int | None) -> float | None:
    """Return the time when a token made at `now` expires, in seconds since 1970.

    None: it never expires, because `lifetime_s` is None.
    """
    return None if lifetime_s is None else now + lifetime_s


def _scrypt(secret: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        secret.encode(), salt=salt, n=n, r=r, p=p, maxmem=SCRYPT_MEMORY, dklen=HASH_BYTES
    )
