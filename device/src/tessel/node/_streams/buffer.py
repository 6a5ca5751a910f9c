"""The buffer of the reading half of a stream, and the steps that empty it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from tessel.node._streams.base import Chunk, Stream
from tessel.node.base import encodings


class Source(Enum):
    """The states of a stream's source: it waits until chunks are wanted, pushes, or has ended."""

    WAITING = auto()  # `push` returned False, or nothing was asked for yet
    PUSHING = auto()
    ENDED = auto()


class ReadableBuffer(Stream):
    """Holds pushed chunks until they are read, and emits `data`, `readable` and `end`.

    The subclass Readable adds the methods for programs.
    """

    readable_high_water_mark: int
    readable_flowing: bool | None

    def _begin_reading(self) -> None:
        """Set the state of a half from which nothing was read."""
        self.readable_length = 0
        self.readable_ended = False  # `end` was emitted
        self.readable_did_read = False  # a chunk was given to the program
        self.readable_encoding: str | None = None
        self._held: deque[Chunk] = deque()
        self._decoder: encodings.Decoder | None = None
        self._source = Source.WAITING
        self._due: set[str] = set()  # steps that were scheduled for the next tick, by name

    def _wants_more(self) -> bool:
        full = self.readable_length >= self.readable_high_water_mark
        if self._source is not Source.ENDED:  # a listener of `data` may have pushed the end
            self._source = Source.WAITING if full else Source.PUSHING
        return not full

    def _read(self) -> None:
        """More chunks are wanted. Sources override it."""

    def _take_in(self, chunk: Chunk) -> None:
        if not chunk:
            return
        if self.readable_flowing and not self._held and "flow" not in self._due:
            self.readable_did_read = True
            self.emit("data", chunk)
            return
        self._hold(chunk)
        self._readable_soon()

    def _hold(self, chunk: Chunk) -> None:
        if chunk:
            self._held.append(chunk)
            self.readable_length += len(chunk)

    def _take_out(self, size: int) -> Chunk:
        self.readable_did_read = True
        self.readable_length -= size
        return _first(self._held, size)

    def _soon(self, name: str, step: Callable[[], None]) -> None:
        """Run a step in the next tick, once however often it is asked for."""
        if name not in self._due:
            self._due.add(name)
            self._runtime.next_tick(step)

    def _flow_soon(self) -> None:
        if not self.destroyed:
            self._soon("flow", self._flow)

    def _flow(self) -> None:
        self._due.discard("flow")
        while self.readable_flowing and self._held:
            chunk = self._held.popleft()
            self.readable_length -= len(chunk)
            self.readable_did_read = True
            self.emit("data", chunk)
        if self.readable_flowing:
            self._ask_source()
            self._end_soon()

    def _ask_source(self) -> None:
        wanted = self.readable_length < self.readable_high_water_mark
        if wanted and self._source is Source.WAITING and not self.destroyed:
            self._source = Source.PUSHING
            self._read()

    def _readable_soon(self) -> None:
        if self.listener_count("readable"):
            self._soon("readable", self._emit_readable)

    def _emit_readable(self) -> None:
        self._due.discard("readable")
        if not self.destroyed and (self._held or self._source is Source.ENDED):
            self.emit("readable")

    # The end.

    def _push_end(self) -> bool:
        self._take_in(self._decoded(b"", final=True))
        self._source = Source.ENDED
        self._readable_soon()
        if self.readable_flowing:
            self._end_soon()
        return False

    def _end_soon(self) -> None:
        if self._source is Source.ENDED and not self._held:
            self._soon("end", self._emit_end)

    def _emit_end(self) -> None:
        if self.destroyed or self._held:  # `unshift` put something back
            return
        self.readable_ended = True
        self.emit("end")
        self._settled()

    def _is_over(self) -> bool:
        return self.readable_ended and super()._is_over()

    def _drop(self) -> None:
        self._held.clear()
        self.readable_length = 0
        super()._drop()

    def _decoded(self, chunk: Chunk, *, final: bool) -> Chunk:
        if self._decoder is None or isinstance(chunk, str):
            return chunk
        return self._decoder.decode(chunk, final)


def _first(held: deque[Chunk], size: int) -> Chunk:
    """Take this many bytes or characters out of the chunks that are held."""
    parts: list[Chunk] = []
    left = size
    while left:
        chunk = held.popleft()
        if len(chunk) > left:
            held.appendleft(chunk[left:])
            chunk = chunk[:left]
        parts.append(chunk)
        left -= len(chunk)
    return parts[0] if len(parts) == 1 else type(parts[0])().join(parts)  # type: ignore[arg-type]  # all text or all bytes: set_encoding converts what is held
