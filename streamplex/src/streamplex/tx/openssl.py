"""Encryption and decryption through OpenSSL's memory BIOs, without pyOpenSSL's public calls.

pyOpenSSL allocates, copies twice and looks up a dozen attributes for each record of 16 KiB: a
quarter of the cost of receiving it. Here all bytes go through one buffer. The private names of
pyOpenSSL used here have been the same since version 0.14 (test_openssl.py fails if they change).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from streamplex.messages import BytesLike
from streamplex.tx.bulk import READ_BYTES

RECORD_BYTES = 16 * 1024
"""Most bytes in a record, and most that OpenSSL returns in one call."""

ROOM_BYTES = READ_BYTES + 2 * RECORD_BYTES
"""Most bytes that one read of TCP can complete: itself, the beginning of a record that waited for
it, and room to find that there is no more."""

PIECE_BYTES = 4 * RECORD_BYTES
"""Bytes to encrypt in one call: four full records. Larger pieces make OpenSSL's buffer so large
that the allocator gives it back to the system each time, which costs more than the encryption."""

SEALED_PIECE_BYTES = PIECE_BYTES + RECORD_BYTES
"""Upper bound for an encrypted piece, with OpenSSL's own messages that waited before it."""


SMALL_BYTES = 512
"""Most received bytes that are copied into the connection's own BIO. A copy takes a third of the
calls that a BIO over them takes, but the BIO keeps room for a third more than it ever held."""


Take: TypeAlias = Callable[[memoryview], bool]
"""Receives decrypted bytes. Returns False if it wants no more."""


class _Room:
    """A buffer that is used for the time of a call."""

    __slots__ = ("at", "view")

    def __init__(self) -> None:
        self.at: Any = ffi.new("char[]", ROOM_BYTES)
        self.view = memoryview(ffi.buffer(self.at))


_sealed = _Room()
_unused = [_Room()]
"""Buffers for decrypted bytes: one, or more where TLS runs inside TLS."""

WANT_READ = SSL.WantReadError()
"""The reason of `opened` and `rest` if all bytes were decrypted and more may come."""


def opened(connection: SSL.Connection, came: bytes | memoryview, take: Take) -> SSL.Error | None:
    """Decrypt the received bytes `came` and pass them to `take`, in parts of at most ROOM_BYTES.

    Each part is a view that is valid for the time of the call. Returns the error that
    `connection.recv` would raise, or None if `take` wanted no more. Bytes behind the end of TLS are
    lost.

    If there are more than SMALL_BYTES, OpenSSL gets a BIO over the received bytes themselves, and
    an empty one afterwards. That saves a copy, and no BIO keeps the size of the most that it ever
    held. A connection without BIOs gets one over the bytes however few there are, and none
    afterwards. No bytes may wait in the connection's own BIO: see `rest`.
    """
    own = connection._into_ssl  # noqa: SLF001 -- see above
    if own is not None and len(came) <= SMALL_BYTES:
        lib.BIO_write(own, bytes(came), len(came))
        return rest(connection, take)
    # Given back before a traceback can keep it: Python 3.11, and 3.12 before 3.12.7, crash when
    # they collect a view that something else still looks into (gh-77894).
    with ffi.from_buffer(came) as data:
        bio = lib.BIO_new_mem_buf(data, len(data))
        lib.BIO_set_mem_eof_return(bio, -1)  # more may come
        out = connection._from_ssl  # noqa: SLF001 -- see above
        _use(connection, bio, _new() if out is None else out)  # OpenSSL may answer, too
        try:
            return rest(connection, take)
        finally:
            _use(connection, None if own is None else _new(), connection._from_ssl)  # noqa: SLF001


def rest(connection: SSL.Connection, take: Take) -> SSL.Error | None:
    """Decrypt the bytes in the connection's own BIO and pass them to `take`, as `opened` does.

    Such bytes are there after the handshake. Returns the same as `opened`.
    """
    ssl, read = connection._ssl, lib.SSL_read  # noqa: SLF001 -- see above
    room = _unused.pop() if _unused else _Room()
    at, got = room.at, 0
    try:
        while (result := read(ssl, at + got, RECORD_BYTES)) > 0:
            got += result
            if got > ROOM_BYTES - RECORD_BYTES:
                if not take(room.view[:got]):
                    return None
                got = 0
        why = _why(connection, result)  # now: `take` may use OpenSSL, too
        return why if not got or take(room.view[:got]) else None
    finally:
        _unused.append(room)


def give_bios(connection: SSL.Connection) -> None:
    """Give the connection both BIOs, unless it has them. Without them OpenSSL fails for good.

    `opened` and `seal` give them themselves. Call this before any other call that reads or writes:
    a shutdown may do both.
    """
    into, out = connection._into_ssl, connection._from_ssl  # noqa: SLF001 -- see above
    if into is None or out is None:
        _use(connection, _new() if into is None else into, _new() if out is None else out)


def drop_bios(connection: SSL.Connection) -> None:
    """Take both BIOs from the connection until `give_bios`, to free their memory.

    An empty BIO takes 320 bytes, and a BIO never gives memory back: it keeps room for the most that
    it ever held. Call this only when `sealed` has returned all bytes that wait, `rest` has read all
    that came, and neither is under way.
    """
    _use(connection, None, None)


def has_bio_to_read(connection: SSL.Connection) -> bool:
    """Return whether the connection has a BIO to read from, as it has inside `opened`."""
    return connection._into_ssl is not None  # noqa: SLF001 -- see above


def _new() -> Any:
    return lib.BIO_new(lib.BIO_s_mem())


def _use(connection: SSL.Connection, into: Any, out: Any) -> None:
    """Let OpenSSL use these BIOs; it frees those that it used before. None: no BIO."""
    connection._into_ssl, connection._from_ssl = into, out  # noqa: SLF001 -- see above
    lib.SSL_set_bio(connection._ssl, into or ffi.NULL, out or ffi.NULL)  # noqa: SLF001


def _why(connection: SSL.Connection, result: int) -> SSL.Error:
    ssl = connection._ssl  # noqa: SLF001 -- see above
    if lib.SSL_get_error(ssl, result) == lib.SSL_ERROR_WANT_READ:
        return WANT_READ
    try:
        connection._raise_ssl_error(ssl, result)  # noqa: SLF001 -- see above
    except SSL.Error as why:
        return why.with_traceback(None)  # that would keep all that was decrypted, in a circle
    raise AssertionError("OpenSSL read nothing and reported no error")


def is_resumed(connection: SSL.Connection) -> bool:
    """Return whether the TLS handshake resumed an earlier session. pyOpenSSL has no call for it."""
    return bool(lib.SSL_session_reused(connection._ssl))  # noqa: SLF001 -- see above


def seal(connection: SSL.Connection, data: BytesLike, taken: int) -> tuple[int, memoryview]:
    """Encrypt `data` from the position `taken` on, as much as fits into one buffer.

    Return the position behind the encrypted bytes, and a view to send. The view has at most
    ROOM_BYTES, enough for a read of a target (READ_BYTES), and is valid until the next call. Raises
    as `connection.send` does.
    """
    if connection._into_ssl is None:  # noqa: SLF001 -- see above
        give_bios(connection)
    ssl, out = connection._ssl, connection._from_ssl  # noqa: SLF001 -- see above
    end, got = len(data), 0
    with ffi.from_buffer(data) as at:  # as in `opened`
        while taken < end and got <= ROOM_BYTES - SEALED_PIECE_BYTES:
            result = lib.SSL_write(ssl, at + taken, min(end - taken, PIECE_BYTES))
            if result <= 0:
                connection._raise_ssl_error(ssl, result)  # noqa: SLF001 -- see above
            taken += result
            got += lib.BIO_read(out, _sealed.at + got, ROOM_BYTES - got)  # at least the piece
    return taken, _sealed.view[:got]


def sealed(connection: SSL.Connection) -> memoryview:
    """Return a view of TLS bytes that wait to be sent, such as those of a handshake or an end.

    The view has at most ROOM_BYTES, is valid until the next call, and is empty if no bytes wait.
    """
    out = connection._from_ssl  # noqa: SLF001 -- see above
    got = 0 if out is None else lib.BIO_read(out, _sealed.at, ROOM_BYTES)
    return _sealed.view[: max(got, 0)]  # below 0: there is nothing
