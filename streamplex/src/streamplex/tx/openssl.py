"""OpenSSL's memory BIOs, read past pyOpenSSL's public calls.

Those allocate, copy twice and look up a dozen attributes for each record of 16 KiB: a quarter of
what it costs to receive one. Here everything that is there goes through one buffer. The names used
have been the same since pyOpenSSL 0.14 (test_tx_openssl.py tells if they change).
"""

from __future__ import annotations

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from streamplex.tx.bulk import READ_OCTETS

RECORD_OCTETS = 16 * 1024
"""The most that a record holds, and that OpenSSL hands out in one call."""

FEED_OCTETS = 4 * RECORD_OCTETS
"""What a memory BIO is given at a time. It keeps the size that it once had to have, for as long as
the tunnel lives: some 100 KiB so, and 350 with a whole read, which would be 3 % cheaper."""

ROOM_OCTETS = READ_OCTETS + RECORD_OCTETS
"""What one read of TCP can complete: itself, and the beginning of a record that waited for it."""

# One for all connections: the reactor has one thread, and nothing stays here.
_room = ffi.new("char[]", ROOM_OCTETS)
_plain = ffi.buffer(_room)
_sealed = memoryview(_plain)


def opened(connection: SSL.Connection, come: bytes = b"") -> tuple[bytes, SSL.Error | None]:
    """What can be decrypted, at most one room full, and why it is no more; None: there may be.

    `come` has come just now. The reasons are those that `connection.recv` raises.
    """
    ssl = connection._ssl  # noqa: SLF001 -- see above
    left = memoryview(come)
    got = 0
    while got <= ROOM_OCTETS - RECORD_OCTETS:
        result = lib.SSL_read(ssl, _room + got, RECORD_OCTETS)
        if result > 0:
            got += result
        elif left and lib.SSL_get_error(ssl, result) == lib.SSL_ERROR_WANT_READ:
            connection.bio_write(left[:FEED_OCTETS])
            left = left[FEED_OCTETS:]
        else:
            return _plain[:got], _why(connection, result)
    if left:
        connection.bio_write(left)
    return _plain[:got], None


def _why(connection: SSL.Connection, result: int) -> SSL.Error:
    try:
        connection._raise_ssl_error(connection._ssl, result)  # noqa: SLF001 -- see above
    except SSL.Error as why:
        return why
    raise AssertionError("OpenSSL has read nothing, for no reason")


def sealed(connection: SSL.Connection) -> memoryview:
    """What is encrypted and waits to be sent, at most one room full; valid until the next call."""
    got = lib.BIO_read(connection._from_ssl, _room, ROOM_OCTETS)  # noqa: SLF001 -- see above
    return _sealed[: max(got, 0)]  # there is no reason but that there is nothing
