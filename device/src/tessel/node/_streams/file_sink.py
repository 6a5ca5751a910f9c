"""A Python file as the destination of `pipe`: binary or text, on disk or in memory."""

from __future__ import annotations

import codecs
import errno
import io
import os
from collections.abc import Callable
from typing import Protocol

from tessel.errors import NodeError
from tessel.node._streams.base import Chunk, Done
from tessel.node._streams.writable import Writable
from tessel.node.base.arguments import ArgumentTypeError, Callback
from tessel.source_location import here

_STANDARD = (0, 1, 2)  # as in Node, standard input, output and error are never closed


class Writes(Protocol):
    """A file-like object: its `write` takes bytes. For the type checker."""

    def write(self, data: bytes, /) -> object: ...


class FileSink(Writable):
    """A stream that writes to a file. The writes block.

    Bytes are written unchanged, also to a text file; text is written in the file's encoding. At the
    end a file that was opened by its path is closed, as in Node. Other files (in memory, temporary,
    standard output, opened by descriptor) are flushed and stay open.
    """

    def __init__(self, file: object) -> None:
        write = getattr(file, "write", None)
        if not callable(write):
            raise ArgumentTypeError("destination", "a stream or a file", file)
        super().__init__()
        self.file = file
        self.opened_at = here()
        self._encoder = _encoder(file)
        self._put = _bytes_writer(file, write)

    def write(
        self, chunk: Chunk, encoding: str | Callback | None = None, callback: Callback | None = None
    ) -> bool:
        """Write bytes unchanged, or text in the file's encoding.

        Arguments and result are those of `Writable.write`.
        """
        if isinstance(chunk, str) and self._encoder is not None and not isinstance(encoding, str):
            chunk = self._encoder.encode(chunk)
        return super().write(chunk, encoding, callback)

    def flush(self) -> None:
        """Called by a pipe when its source has ended or closed: flushes the file."""
        if not self.writable_finished and not self.destroyed:
            self._attempt(_flush, self.file)

    def _write(self, chunk: bytes, done: Done) -> None:
        done(self._attempt(self._put, chunk))

    def _final(self, done: Done) -> None:
        done(self._attempt(_close if _is_closed_at_end(self.file) else _flush, self.file))

    @staticmethod
    def _attempt(act: Callable[..., None], *arguments: object) -> BaseException | None:
        try:
            act(*arguments)
        except (OSError, ValueError, TypeError) as error:  # full, closed, or not open for writing
            return _as_node_error(error)
        return None


def _bytes_writer(file: object, write: Callable[..., object]) -> Callable[[bytes], None]:
    if not _is_text(file):
        return lambda data: _write_all(write, data)
    below = getattr(file, "buffer", None)
    if below is not None:
        return lambda data: _write_below(file, below, data)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # text in memory has no bytes
    return lambda data: _drop(write(decoder.decode(data)))


def _write_below(file: object, below: Writes, data: bytes) -> None:
    """Write to the buffer below a text file, in order with the program's own prints."""
    _flush(file)
    _write_all(below.write, data)
    _flush(below)


def _write_all(write: Callable[..., object], data: bytes) -> None:
    """Write all bytes: an unbuffered file may write only some of them at once."""
    left = memoryview(data)
    while left:
        taken = write(left)
        if not isinstance(taken, int) or isinstance(taken, bool):
            return  # without a count it wrote all
        if taken <= 0:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        left = left[taken:]


def _is_text(file: object) -> bool:
    return isinstance(file, io.TextIOBase) or getattr(file, "encoding", None) is not None


def _encoder(file: object) -> codecs.IncrementalEncoder | None:
    name = getattr(file, "encoding", None)
    if not isinstance(name, str) or getattr(file, "buffer", None) is None:
        return None
    encoder = codecs.getincrementalencoder(name)(getattr(file, "errors", None) or "strict")
    if _is_begun(file):
        encoder.setstate(0)  # no byte order mark in the middle of a file, as with Python
    return encoder


def _is_begun(file: object) -> bool:
    try:
        return bool(file.tell())  # type: ignore[attr-defined]  # of an io.TextIOBase
    except (OSError, ValueError):
        return False


def _is_closed_at_end(file: object) -> bool:
    name = getattr(file, "name", None)
    by_path = isinstance(file, io.IOBase) and isinstance(name, str | bytes | os.PathLike)
    return by_path and _descriptor(file) not in _STANDARD


def _descriptor(file: object) -> int | None:
    try:
        found = file.fileno()  # type: ignore[attr-defined]  # asked of an io.IOBase
    except (OSError, ValueError):
        return None
    return found if isinstance(found, int) else None


def _flush(file: object) -> None:
    flush = getattr(file, "flush", None)
    if callable(flush):
        flush()


def _close(file: object) -> None:
    file.close()  # type: ignore[attr-defined]  # of an io.IOBase


def _drop(_: object) -> None:
    pass


def _as_node_error(error: OSError | ValueError | TypeError) -> BaseException:
    """Return the error in Node's form: `ENOSPC: No space left on device, write`."""
    if not isinstance(error, OSError) or error.errno is None:
        found = NodeError(f"write to a file: {error}", "ERR_STREAM_DESTROYED")
    else:
        code = errno.errorcode.get(error.errno, "EIO")
        found = NodeError(f"{code}: {error.strerror}, write", code)
    found.__cause__ = error
    return found
