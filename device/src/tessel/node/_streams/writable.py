"""The writing half of a stream: a queue with a mark, past which `write` asks its caller to wait.

One piece is under way at a time; what comes meanwhile is joined into the next. `finish` comes when
all that was written before `end` has been handed on. Every callback is called once: with an error
for what was dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from typing import Self

from tessel.errors import NodeError
from tessel.node._streams.base import Chunk, Done, Stream
from tessel.node.base import arguments, encodings
from tessel.node.base.arguments import callback_or_none

HIGH_WATER_MARK = 16 * 1024  # bytes queued before `write` answers False; Node's own size

Told = Callable[..., object]


class _Writing(Enum):
    """How far the writing half is; it goes through these states in order."""

    OPEN = auto()
    ENDED = auto()  # `end` was called
    FINISHING = auto()  # all is written, and the sink ends what is below
    FINISHED = auto()  # `finish` was emitted


class Writable(Stream):
    """A stream to write to. A sink overrides `_write`, and `_final` if its end is an act."""

    writable_object_mode = False  # Node's name; chunks are always bytes or text

    def __init__(self, *, high_water_mark: int = HIGH_WATER_MARK) -> None:
        super().__init__()
        self.writable_high_water_mark = high_water_mark
        self._default_encoding = encodings.DEFAULT
        self._begin_writing()

    def _begin_writing(self) -> None:
        """The state of a half to which nothing was written yet."""
        self.writable_length = 0
        self.writable_need_drain = False
        self._writing = _Writing.OPEN
        self.writable_corked = 0  # `cork` was called so many times more than `uncork`
        self._queue: list[tuple[bytes, Told | None]] = []
        self._under_way: list[Told] | None = None
        self._when_finished: list[Told] = []  # callbacks of `end`
        self._bytes_accepted = 0

    # What the sink overrides.

    def _write(self, chunk: bytes, done: Done) -> None:
        """Pass the chunk on; call `done` when more may come, with the error if it failed."""
        raise NotImplementedError

    def _final(self, done: Done) -> None:
        """All is written: end what is below."""
        done(None)

    # What the program calls.

    def write(
        self,
        chunk: Chunk,
        encoding: str | Told | None = None,
        callback: Told | None = None,
    ) -> bool:
        """Queue it. False: better wait for `drain`.

        `write(chunk, callback)` and `write(chunk, encoding, callback)`. The encoding is for text;
        UTF-8 by default. The callback gets the error if the chunk was dropped, else nothing.
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
        chunk: Chunk | Told | None = None,
        encoding: str | Told | None = None,
        callback: Told | None = None,
    ) -> Self:
        """No more will be written.

        `end(callback)`, `end(chunk, callback)` and `end(chunk, encoding, callback)`. The callback
        gets nothing when all was handed on, or the error that came before.
        """
        if callable(chunk):
            chunk, encoding, callback = None, None, chunk
        encoding, callback = _encoding_and_callback(encoding, callback)
        if chunk is not None:
            self.write(chunk, encoding)
        self.writable_corked = 0  # as in Node, `end` undoes every `cork`
        already = self._end_error() if self.writable_ended or self.destroyed else None
        if callback is not None:
            self._tell_when_finished(callback, already)
        if not self.writable_ended and not self.destroyed:
            self._writing = _Writing.ENDED
            self._write_on()
            self._finish_if_written()
        return self

    def cork(self) -> None:
        """Hold what is written until `uncork`, to hand it on as one piece."""
        self.writable_corked += 1

    def uncork(self) -> None:
        """Undo one `cork`."""
        if self.writable_corked:
            self.writable_corked -= 1
            self._write_on()

    def set_default_encoding(self, encoding: str) -> Self:
        """The encoding of text that is written without one."""
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
        """It was destroyed before `finish`."""
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
        chunk = queue[0][0] if len(queue) == 1 else b"".join(nbytes for nbytes, _ in queue)
        self._under_way = [callback for _, callback in queue if callback is not None]
        self._write(chunk, partial(self._written, len(chunk)))

    def _written(self, size: int, error: BaseException | None) -> None:
        callbacks, self._under_way = self._under_way, None
        if callbacks is None:
            return  # destroyed meanwhile: the callbacks were told so
        self._tell(callbacks, error)
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

    # What cannot be written.

    def _tell_when_finished(self, callback: Told, already: NodeError | None) -> None:
        if already is not None:
            self._tell([callback], already)
        else:
            self._when_finished.append(callback)

    def _end_error(self) -> NodeError | None:
        """What is wrong with another `end`; None: it waits for `finish` as the first does."""
        if self.writable_finished:
            return NodeError(
                "Cannot call end after a stream was finished", "ERR_STREAM_ALREADY_FINISHED"
            )
        return _destroyed("end") if self.destroyed else None

    def _refuse(self, callback: Told | None) -> None:
        after_end = NodeError("write after end", "ERR_STREAM_WRITE_AFTER_END")
        error = after_end if self.writable_ended else _destroyed("write")
        if callback is not None:
            self._tell([callback], error)
        if not self.destroyed:
            self.destroy(error)

    def _drop(self) -> None:
        dropped = [callback for _, callback in self._queue if callback is not None]
        dropped = (self._under_way or []) + dropped
        ends, self._when_finished = self._when_finished, []
        self._queue, self._under_way, self.writable_length = [], None, 0
        self._tell(dropped, self.errored or self._dropped_error("write"))
        self._tell(ends, self.errored or self._dropped_error("end"))
        super()._drop()

    def _dropped_error(self, call: str) -> NodeError:
        """For what was asked for before it was destroyed, without an error of its own."""
        return _destroyed(call)

    def _tell(self, callbacks: Sequence[Told], error: BaseException | None) -> None:
        for callback in callbacks:
            self._runtime.next_tick(arguments.call_with_error, callback, error)


def _destroyed(call: str) -> NodeError:
    return NodeError(f"Cannot call {call} after a stream was destroyed", "ERR_STREAM_DESTROYED")


def _encoding_and_callback(
    encoding: str | Told | None, callback: Told | None
) -> tuple[str | None, Told | None]:
    """As `write` and `end` take them: the encoding may be left out."""
    if callable(encoding):
        return None, encoding
    if encoding is not None and encoding != "buffer":  # Node's name for "none"
        encoding = encodings.encoding_name(encoding)
    else:
        encoding = None
    return encoding, callback_or_none(callback)


def as_bytes(chunk: Chunk) -> bytes:
    """A chunk as bytes; text as UTF-8."""
    return encodings.as_bytes(chunk)
