"""The writing half of a stream: a queue with a mark, past which `write` asks its caller to wait.

One piece is under way at a time; what comes meanwhile is joined into the next. `finish` comes when
all that was written before `end` has been handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

from tessel.errors import NodeError
from tessel.node.stream_base import Chunk, Done, Stream

HIGH_WATER_MARK = 16 * 1024  # octets queued before `write` answers False; Node's own size


class Writable(Stream):
    """A stream to write to. A sink overrides `_write`, and `_final` if its end is an act."""

    def __init__(self, *, high_water_mark: int = HIGH_WATER_MARK) -> None:
        super().__init__()
        self.writable_high_water_mark = high_water_mark
        self.writable_length = 0
        self.writable_need_drain = False
        self.writable_ended = False  # `end` was called
        self.writable_finished = False  # `finish` was emitted
        self._queue: list[tuple[bytes, Callable[..., None] | None]] = []
        self._under_way: list[Callable[..., None]] | None = None
        self._final_begun = False
        self._octets_accepted = 0

    # What the sink overrides.

    def _write(self, chunk: bytes, done: Done) -> None:
        """Pass the chunk on; call `done` when more may come, with the error if it failed."""
        raise NotImplementedError

    def _final(self, done: Done) -> None:
        """All is written: end what is below."""
        done(None)

    # What the program calls.

    def write(self, chunk: Chunk, callback: Callable[..., None] | None = None) -> bool:
        """Queue it. False: better wait for `drain`. Text is written as UTF-8."""
        octets = as_octets(chunk)
        if self.writable_ended or self.destroyed:
            self._refuse(callback)
            return False
        self.writable_length += len(octets)
        self._octets_accepted += len(octets)
        self._queue.append((octets, callback))
        below = self.writable_length < self.writable_high_water_mark
        self.writable_need_drain |= not below
        self._write_on()
        return below

    def end(self, chunk: Chunk | None = None, callback: Callable[[], None] | None = None) -> Self:
        """No more will be written. The callback is for `finish`."""
        if chunk is not None:
            self.write(chunk)
        if callback is not None:
            self.once("finish", callback)
        if not self.writable_ended:
            self.writable_ended = True
            self._finish_if_written()
        return self

    @property
    def writable(self) -> bool:
        return not self.destroyed and not self.writable_ended

    # The queue.

    def _write_on(self) -> None:
        if self._under_way is not None or not self._queue:
            return
        queue, self._queue = self._queue, []
        chunk = queue[0][0] if len(queue) == 1 else b"".join(octets for octets, _ in queue)
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
        written = not self.writable_length and self._under_way is None
        if self.writable_ended and written and not self._final_begun and not self.destroyed:
            self._final_begun = True
            self._final(self._finished)

    def _finished(self, error: BaseException | None) -> None:
        if error is not None:
            self.destroy(error)
        else:
            self._runtime.next_tick(self._emit_finish)

    def _emit_finish(self) -> None:
        if self.destroyed:
            return
        self.writable_finished = True
        self.emit("finish")
        self._settled()

    def _is_over(self) -> bool:
        return self.writable_finished and super()._is_over()

    # What cannot be written.

    def _refuse(self, callback: Callable[..., None] | None) -> None:
        if self.destroyed:
            error = NodeError(
                "Cannot call write after a stream was destroyed", "ERR_STREAM_DESTROYED"
            )
        else:
            error = NodeError("write after end", "ERR_STREAM_WRITE_AFTER_END")
        if callback is not None:
            self._tell([callback], error)
        if not self.destroyed:
            self.destroy(error)

    def _drop(self) -> None:
        dropped = [callback for _, callback in self._queue if callback is not None]
        dropped = (self._under_way or []) + dropped
        self._queue, self._under_way, self.writable_length = [], None, 0
        error = self.errored or NodeError(
            "Cannot call write after a stream was destroyed", "ERR_STREAM_DESTROYED"
        )
        self._tell(dropped, error)
        super()._drop()

    def _tell(self, callbacks: Sequence[Callable[..., None]], error: BaseException | None) -> None:
        for callback in callbacks:
            self._runtime.next_tick(callback, *([] if error is None else [error]))


def as_octets(chunk: Chunk) -> bytes:
    if isinstance(chunk, str):
        return chunk.encode()
    if isinstance(chunk, bytes | bytearray | memoryview):
        return bytes(chunk)
    raise NodeError(
        f"The chunk must be of type str or bytes. Received {type(chunk).__name__}",
        "ERR_INVALID_ARG_TYPE",
    )
