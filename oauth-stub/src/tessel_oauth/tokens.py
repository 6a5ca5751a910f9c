"""Tokens, keys and secrets: made, digested, hashed and compared. Pure; randomness is handed in."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable

Random = Callable[[int], bytes]  # that many bytes nobody can guess, as os.urandom gives

ACCESS_TOKEN_BYTES = 20  # 40 hex digits, as the original's
API_KEY_BYTES = 16

# scrypt's cost: 16 MiB and some 50 ms for a guess, which a thief of the file pays as well.
SCRYPT_N = 2**14
SCRYPT_R = 8
SCRYPT_P = 1
SCRYPT_MEMORY = 64 * 1024 * 1024
SALT_BYTES = 16
HASH_BYTES = 32


def new_access_token(random: Random) -> str:
    return random(ACCESS_TOKEN_BYTES).hex()


def new_api_key(random: Random) -> str:
    return random(API_KEY_BYTES).hex()


def digest(token: str) -> bytes:
    """What is stored of an access token: whoever reads the file cannot use it.

    No salt and no cost: 160 random bits cannot be guessed, and the digest is what is looked up.
    """
    return hashlib.sha256(token.encode()).digest()


def hash_secret(secret: str, random: Random) -> str:
    """What is stored of a client's secret: `scrypt$N$r$p$salt$hash`. Takes its time."""
    salt = random(SALT_BYTES)
    hashed = _scrypt(secret, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    words = ["scrypt", str(SCRYPT_N), str(SCRYPT_R), str(SCRYPT_P)]
    return "$".join([*words, b64encode(salt).decode(), b64encode(hashed).decode()])


def secret_matches(secret: str, stored: str) -> bool:
    """Is this the secret that was hashed? Takes its time, the same for every answer."""
    kind, n, r, p, salt, hashed = stored.split("$")
    if kind != "scrypt":
        raise ValueError(f"a secret hashed by {kind!r}; known: scrypt")
    found = _scrypt(secret, b64decode(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, b64decode(hashed))


def expiry(now: float, lifetime_s: int | None) -> float | None:
    """When a token made now expires; None: never."""
    return None if lifetime_s is None else now + lifetime_s


def _scrypt(secret: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        secret.encode(), salt=salt, n=n, r=r, p=p, maxmem=SCRYPT_MEMORY, dklen=HASH_BYTES
    )
