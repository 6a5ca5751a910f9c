"""The writing half of a stream: a queue of chunks, and backpressure by the result of `write`.

The sink gets one piece at a time. Chunks that are written meanwhile are joined into the next piece.
`finish` is emitted when the sink has taken all chunks. Each callback is called once, with an error
if its chunk was dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from functools import partial
from typing import Self

from tessel.errors import NodeError
from tessel.node._streams.base import Chunk, Done, Stream
from tessel.node.base import arguments, encodings
from tessel.node.base.arguments import Callback, callback_or_none

HIGH_WATER_MARK = 16 * 1024  # bytes to queue before `write` returns False; as in Node


class _Writing(Enum):
    """The states of the writing half, in this order."""

    OPEN = auto()
    ENDED = auto()  # `end` was called
    FINISHING = auto()  # all chunks are written, and the sink ends its destination
    FINISHED = auto()  # `finish` was emitted


class Writable(Stream):
    """A stream to which a program writes chunks.

    A sink overrides `_write`, and `_final` to end its destination. Events: `drain`, `finish`,
    `pipe`, `unpipe`, `error`, `close`.
    """

    writable_object_mode = False  # Node's name; chunks are always bytes or text

    def __init__(self, *, high_water_mark: int = HIGH_WATER_MARK) -> None:
        super().__init__()
        self.writable_high_water_mark = high_water_mark
        self._default_encoding = encodings.DEFAULT
        self._begin_writing()

    def _begin_writing(self) -> None:
        """Set the state of a half to which nothing was written."""
        self.writable_length = 0
        self.writable_need_drain = False
        self._writing = _Writing.OPEN
        self.writable_corked = 0  # calls of `cork` minus calls of `uncork`
        self._queue: list[tuple[bytes, Callback | None]] = []
        self._under_way: list[Callback] | None = None
        self._when_finished: list[Callback] = []  # callbacks of `end`
        self._bytes_accepted = 0

    # For the sink to override.

    def _write(self, chunk: bytes, done: Done) -> None:
        """Take a chunk; call `done(error)` when the next may follow, with None if it was taken."""
        raise NotImplementedError

    def _final(self, done: Done) -> None:
        """End the destination after the last chunk, then call `done(error)`."""
        done(None)

    # For the program.

    def write(
        self,
        chunk: Chunk,
        encoding: str | Callback | None = None,
        callback: Callback | None = None,
    ) -> bool:
        """Write a chunk: `write(chunk, callback)` or `write(chunk, encoding, callback)`.

        Args:
            chunk: bytes or text.
            encoding: of text; UTF-8 by default.
            callback: called when the chunk was taken, or with the error if it was dropped.

        Returns:
            False if the queue is full: wait for `drain` before the next write.

        """
        encoding, callback = _encoding_and_callback(encoding, callback)
        data = self._as_bytes(chunk, encoding)
        if self._writing is not _Writing.OPEN or self.destroyed:
            self._refuse(callback)
            return False
        self.writable_length += len(data)
        self._bytes_accepted += len(data)
        self._queue.append((data, callback))
        below = self.writable_length < self.writable_high_water_mark
        self.writable_need_drain |= not below
        self._write_on()
        return below

    def end(
        self,
        chunk: Chunk | Callback | None = None,
        encoding: str | Callback | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """End the stream after a last chunk, if one is given.

        Call it as `end(callback)`, `end(chunk, callback)`, or `end(chunk, encoding, callback)`. The
        callback is called when all chunks were taken, or with the error that came before.
        """
        if callable(chunk):
            chunk, encoding, callback = None, None, chunk
        encoding, callback = _encoding_and_callback(encoding, callback)
        if chunk is not None:
            self.write(chunk, encoding)
        self.writable_corked = 0  # as in Node, `end` undoes every `cork`
        already = self._end_error() if self.writable_ended or self.destroyed else None
        if callback is not None:
            self._call_when_finished(callback, already)
        if not self.writable_ended and not self.destroyed:
            self._writing = _Writing.ENDED
            self._write_on()
            self._finish_if_written()
        return self

    def cork(self) -> None:
        """Hold written chunks until `uncork` or `end`, to pass them on as one piece.

        Each `cork` needs one `uncork`.
        """
        self.writable_corked += 1

    def uncork(self) -> None:
        """Undo one call of `cork`; after the last one, pass the held chunks on."""
        if self.writable_corked:
            self.writable_corked -= 1
            self._write_on()

    def set_default_encoding(self, encoding: str) -> Self:
        """Set the encoding of text written without an encoding; raises NodeError if unknown."""
        self._default_encoding = encodings.encoding_name(encoding)
        return self

    @property
    def writable_ended(self) -> bool:
        """True after `end` was called."""
        return self._writing is not _Writing.OPEN

    @property
    def writable_finished(self) -> bool:
        """True after `finish`: all bytes were passed on."""
        return self._writing is _Writing.FINISHED

    @property
    def writable(self) -> bool:
        """True until `end` is called or the stream is destroyed."""
        return not self.destroyed and not self.writable_ended

    @property
    def writable_aborted(self) -> bool:
        """True if the stream was destroyed before `finish`."""
        return self.destroyed and not self.writable_finished

    # The queue.

    def _as_bytes(self, chunk: object, encoding: str | None) -> bytes:
        if chunk is None:
            raise NodeError("May not write null values to stream", "ERR_STREAM_NULL_VALUES")
        return encodings.as_bytes(chunk, encoding or self._default_encoding)

    def _write_on(self) -> None:
        if self._under_way is not None or not self._queue or self.writable_corked:
            return
        queue, self._queue = self._queue, []
        chunk = queue[0][0] if len(queue) == 1 else b"".join(data for data, _ in queue)
        self._under_way = [callback for _, callback in queue if callback is not None]
        self._write(chunk, partial(self._written, len(chunk)))

    def _written(self, size: int, error: BaseException | None) -> None:
        callbacks, self._under_way = self._under_way, None
        if callbacks is None:
            return  # destroyed meanwhile: the callbacks have the error
        self._call_back(callbacks, error)
        if error is not None:
            self.destroy(error)
            return
        self.writable_length -= size
        self._write_on()
        self._drain_if_empty()
        self._finish_if_written()

    def _drain_if_empty(self) -> None:
        if self.writable_need_drain and not self.writable_length:
            self.writable_need_drain = False
            # on the next tick, for `write` may not yet have returned its False
            self._runtime.next_tick(self._emit_drain)

    def _emit_drain(self) -> None:
        if not self.destroyed and not self.writable_ended:
            self.emit("drain")

    def _finish_if_written(self) -> None:
        written = not self.writable_length and not self._queue and self._under_way is None
        if self._writing is _Writing.ENDED and written and not self.destroyed:
            self._writing = _Writing.FINISHING
            self._final(self._finished)

    def _finished(self, error: BaseException | None) -> None:
        if error is not None:
            self.destroy(error)
        else:
            self._runtime.next_tick(self._emit_finish)

    def _emit_finish(self) -> None:
        if self.destroyed:
            return
        self._writing = _Writing.FINISHED
        waiting, self._when_finished = self._when_finished, []
        for callback in waiting:
            self._runtime.call(arguments.call_with_error, callback, None)
        self.emit("finish")
        self._settled()

    def _undestroy(self) -> None:
        self._begin_writing()
        super()._undestroy()

    def _is_over(self) -> bool:
        return self.writable_finished and super()._is_over()

    # Errors.

    def _call_when_finished(self, callback: Callback, already: NodeError | None) -> None:
        if already is not None:
            self._call_back([callback], already)
        else:
            self._when_finished.append(callback)

    def _end_error(self) -> NodeError | None:
        """Return the error of another `end`; None: its callback waits for `finish`, too."""
        if self.writable_finished:
            return NodeError(
                "Cannot call end after a stream was finished", "ERR_STREAM_ALREADY_FINISHED"
            )
        return _destroyed("end") if self.destroyed else None

    def _refuse(self, callback: Callback | None) -> None:
        after_end = NodeError("write after end", "ERR_STREAM_WRITE_AFTER_END")
        error = after_end if self.writable_ended else _destroyed("write")
        if callback is not None:
            self._call_back([callback], error)
        if not self.destroyed:
            self.destroy(error)

    def _drop(self) -> None:
        dropped = [callback for _, callback in self._queue if callback is not None]
        dropped = (self._under_way or []) + dropped
        ends, self._when_finished = self._when_finished, []
        self._queue, self._under_way, self.writable_length = [], None, 0
        self._call_back(dropped, self.errored or self._dropped_error("write"))
        self._call_back(ends, self.errored or self._dropped_error("end"))
        super()._drop()

    def _dropped_error(self, call: str) -> NodeError:
        """Return the error for calls before `destroy`, if that had no error."""
        return _destroyed(call)

    def _call_back(self, callbacks: Sequence[Callback], error: BaseException | None) -> None:
        for callback in callbacks:
            self._runtime.next_tick(arguments.call_with_error, callback, error)


def _destroyed(call: str) -> NodeError:
    return NodeError(f"Cannot call {call} after a stream was destroyed", "ERR_STREAM_DESTROYED")


def _encoding_and_callback(
    encoding: str | Callback | None, callback: Callback | None
) -> tuple[str | None, Callback | None]:
    """Sort the arguments of `write` and `end`: the encoding may be left out."""
    if callable(encoding):
        return None, encoding
    if encoding is not None and encoding != "buffer":  # Node's name for "none"
        encoding = encodings.encoding_name(encoding)
    else:
        encoding = None
    return encoding, callback_or_none(callback)


def as_bytes(chunk: Chunk) -> bytes:
    """Return a chunk as bytes: text is encoded in UTF-8, bytes are unchanged."""
    return encodings.as_bytes(chunk)
