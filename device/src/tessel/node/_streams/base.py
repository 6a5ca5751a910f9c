"""The base of all streams: `destroy`, `error` and `close`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, TypeAlias

from tessel.node.base import runtime
from tessel.node.base.encodings import Chunk
from tessel.node.events import EventEmitter

__all__ = ["Chunk", "Done", "Stream"]

Done: TypeAlias = Callable[[BaseException | None], None]


class Stream(EventEmitter):
    """The base of all streams: an EventEmitter that can be destroyed.

    Events: `error` (at most one), then `close`. No event follows `close`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._runtime = runtime.current()
        self.destroyed = False
        self.closed = False
        self.errored: BaseException | None = None

    def destroy(self, error: BaseException | None = None) -> Self:
        """Close the stream now, and drop all buffered bytes. A second call does nothing.

        With an error, `error` is emitted before `close`.
        """
        if self.destroyed:
            return self
        self.destroyed = True
        self.errored = error
        self._drop()
        self._destroy(error, self._destroyed)
        return self

    def emit(self, event: str, *args: object) -> bool:
        """Call the listeners of an event; return whether there were any.

        After `close` no listener is called, and False is returned.
        """
        if self.closed:
            return False  # `close` was last
        return super().emit(event, *args)

    def _destroy(self, error: BaseException | None, done: Done) -> None:
        """Release resources, then call `done`. Subclasses override it."""
        done(error)

    def _drop(self) -> None:
        """Drop the buffered chunks. Each half of a stream extends it."""

    def _destroyed(self, error: BaseException | None) -> None:
        self._runtime.next_tick(self._report_end, error)

    def _report_end(self, error: BaseException | None) -> None:
        try:
            if error is not None:
                self.emit("error", error)
        finally:
            self._emit_close()

    def _emit_close(self) -> None:
        self.closed = True  # before the event: a listener may connect again
        super().emit("close", *self._close_args())

    def _undestroy(self) -> None:
        """Reset the stream to its first state. Each half of a stream extends it."""
        self.destroyed = self.closed = False
        self.errored = None

    def _close_args(self) -> tuple[object, ...]:
        return ()

    def _settled(self) -> None:
        """Destroy the stream if all its halves have ended."""
        if self._is_over():
            self.destroy()

    def _is_over(self) -> bool:
        return True
