"""Bytes that both sides can make, so that a transfer is checked against a sum nobody sent.

Each 16 KiB block is the digest of its own number, repeated: bytes lost, doubled or moved change
the sum.
"""

import functools
import hashlib

_DIGEST = hashlib.sha256().digest_size
BLOCK = 512 * _DIGEST


class Body:
    """A file of `count` such bytes, read from its start to its end."""

    def __init__(self, count: int):
        self._count = count
        self._position = 0

    def read(self, size: int) -> bytes:
        number, offset = divmod(self._position, BLOCK)
        size = min(size, BLOCK - offset, self._count - self._position)
        self._position += size
        return _block(number)[offset : offset + size]

    def close(self) -> None:
        """FileSender closes what it has sent; here nothing is held open."""


def _block(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest() * (BLOCK // _DIGEST)


@functools.cache  # summing 100 MB takes a moment, and is asked for by each transfer
def sha256_of(count: int) -> str:
    """The SHA-256 of the first `count` bytes, in hex."""
    body = Body(count)
    digest = hashlib.sha256()
    while piece := body.read(BLOCK):
        digest.update(piece)
    return digest.hexdigest()
