"""OpenSSL's memory BIOs, used past pyOpenSSL's public calls.

Those allocate, copy twice and look up a dozen attributes for each record of 16 KiB: a quarter of
what it costs to receive one. Here everything that is there goes through one buffer. The names used
have been the same since pyOpenSSL 0.14 (test_tx_openssl.py tells if they change).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from streamplex.tx.bulk import READ_OCTETS

RECORD_OCTETS = 16 * 1024
"""The most that a record holds, and that OpenSSL hands out in one call."""

ROOM_OCTETS = READ_OCTETS + 2 * RECORD_OCTETS
"""What one read of TCP can complete, itself and the beginning of a record that waited for it, and
room to see that there is no more."""

PIECE_OCTETS = 4 * RECORD_OCTETS
"""What is encrypted in one call: four full records. Larger pieces make OpenSSL's buffer so large
that the allocator gives it back to the system each time, which costs more than the encryption."""

SEALED_PIECE_OCTETS = PIECE_OCTETS + RECORD_OCTETS
"""More than a piece becomes by being encrypted, with whatever of OpenSSL's own waited before it."""


class _Room:
    """Where octets go for the time of a call."""

    __slots__ = ("at", "view")

    def __init__(self) -> None:
        self.at: Any = ffi.new("char[]", ROOM_OCTETS)
        self.view = memoryview(ffi.buffer(self.at))


_sealed = _Room()
_unused = [_Room()]
"""For what is decrypted; one, but where TLS runs inside of TLS."""

_WANT_READ = SSL.WantReadError()


def opened(
    connection: SSL.Connection, came: bytes | memoryview
) -> Generator[tuple[memoryview, SSL.Error | None], None, None]:
    """Decrypt what has come just now: what there is, and why it is no more.

    In parts of at most a room full; None: there is more. A view is valid until the next. The
    reasons are those that `connection.recv` raises; what came behind an end is forgotten.

    OpenSSL is given a BIO over these octets where they lie, and a new one when that is done: it
    copies them once less, and no BIO stays as large as the most that it ever held. Nothing may
    wait in the connection's own: see `rest`.
    """
    octets = ffi.from_buffer(came)
    bio = lib.BIO_new_mem_buf(octets, len(octets))
    lib.BIO_set_mem_eof_return(bio, -1)  # more may come
    _read_from(connection, bio)
    try:
        yield from rest(connection)
    finally:
        _read_from(connection, lib.BIO_new(lib.BIO_s_mem()))


def rest(connection: SSL.Connection) -> Generator[tuple[memoryview, SSL.Error | None], None, None]:
    """Decrypt what waits in the connection's own BIO: behind the handshake, that is."""
    room = _unused.pop() if _unused else _Room()
    why_no_more: SSL.Error | None = None
    try:
        while why_no_more is None:
            got, why_no_more = _fill(connection, room)
            yield room.view[:got], why_no_more
    finally:
        _unused.append(room)


def _read_from(connection: SSL.Connection, bio: Any) -> None:
    connection._into_ssl = bio  # noqa: SLF001 -- see above
    lib.SSL_set_bio(connection._ssl, bio, connection._from_ssl)  # noqa: SLF001 # frees the last


def _fill(connection: SSL.Connection, room: _Room) -> tuple[int, SSL.Error | None]:
    ssl = connection._ssl  # noqa: SLF001 -- see above
    got = 0
    while got <= ROOM_OCTETS - RECORD_OCTETS:
        result = lib.SSL_read(ssl, room.at + got, RECORD_OCTETS)
        if result <= 0:
            return got, _why(connection, result)
        got += result
    return got, None


def _why(connection: SSL.Connection, result: int) -> SSL.Error:
    ssl = connection._ssl  # noqa: SLF001 -- see above
    if lib.SSL_get_error(ssl, result) == lib.SSL_ERROR_WANT_READ:
        return _WANT_READ
    try:
        connection._raise_ssl_error(ssl, result)  # noqa: SLF001 -- see above
    except SSL.Error as why:
        return why
    raise AssertionError("OpenSSL has read nothing, for no reason")


def seal(connection: SSL.Connection, octets: memoryview) -> tuple[int, memoryview]:
    """Encrypt at most a room full: how many of the octets, and what is to be sent for them.

    The view is valid until the next call. Raises what `connection.send` does.
    """
    taken = got = 0
    while taken < len(octets) and got <= ROOM_OCTETS - SEALED_PIECE_OCTETS:
        piece = octets[taken : taken + PIECE_OCTETS]
        result = lib.SSL_write(connection._ssl, ffi.from_buffer(piece), len(piece))  # noqa: SLF001
        if result <= 0:
            connection._raise_ssl_error(connection._ssl, result)  # noqa: SLF001 -- see above
        taken += result
        got += _drain(connection, got)
    return taken, _sealed.view[:got]


def sealed(connection: SSL.Connection) -> memoryview:
    """What waits to be sent besides: of a handshake, or of an end. At most a room full."""
    return _sealed.view[: _drain(connection, 0)]


def _drain(connection: SSL.Connection, at: int) -> int:
    got = lib.BIO_read(connection._from_ssl, _sealed.at + at, ROOM_OCTETS - at)  # noqa: SLF001
    return max(int(got), 0)  # there is no reason but that there is nothing
