"""What every stream has: one end, told once, with its error before it and nothing behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, TypeAlias

from tessel.node.base import runtime
from tessel.node.base.encodings import Chunk
from tessel.node.events import EventEmitter

__all__ = ["Chunk", "Done", "Stream"]

Done: TypeAlias = Callable[[BaseException | None], None]


class Stream(EventEmitter):
    """A stream that can be destroyed. `close` comes once and last, also after `error`."""

    def __init__(self) -> None:
        super().__init__()
        self._runtime = runtime.current()
        self.destroyed = False
        self.closed = False
        self.errored: BaseException | None = None

    def destroy(self, error: BaseException | None = None) -> Self:
        """End it now: what is queued or buffered is dropped."""
        if self.destroyed:
            return self
        self.destroyed = True
        self.errored = error
        self._drop()
        self._destroy(error, self._destroyed)
        return self

    def emit(self, event: str, *args: object) -> bool:
        if self.closed:
            return False  # `close` was last
        return super().emit(event, *args)

    def _destroy(self, error: BaseException | None, done: Done) -> None:
        """Overridden by what has something to let go of."""
        done(error)

    def _drop(self) -> None:
        """Forget what is buffered. The halves of a stream add theirs."""

    def _destroyed(self, error: BaseException | None) -> None:
        self._runtime.next_tick(self._tell_end, error)

    def _tell_end(self, error: BaseException | None) -> None:
        try:
            if error is not None:
                self.emit("error", error)
        finally:
            self._emit_close()

    def _emit_close(self) -> None:
        self.closed = True  # a listener may begin anew
        super().emit("close", *self._close_args())

    def _undestroy(self) -> None:
        """Begin anew, as if it had never been destroyed. The halves of a stream add theirs."""
        self.destroyed = self.closed = False
        self.errored = None

    def _close_args(self) -> tuple[object, ...]:
        return ()

    def _settled(self) -> None:
        """One half is over. A stream whose halves all are destroys itself."""
        if self._is_over():
            self.destroy()

    def _is_over(self) -> bool:
        return True
