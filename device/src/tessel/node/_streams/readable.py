"""The reading half of a stream: pushed chunks come out by `data`, `readable` or `read`.

A flowing stream (after a `data` listener, `resume` or `pipe`) emits chunks as they are pushed. A
paused stream buffers them; `push` returns False when its source should stop. `end` is emitted when
all chunks were read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Self

from tessel.node._streams.base import Chunk
from tessel.node._streams.buffer import ReadableBuffer, Source
from tessel.node._streams.iteration import Chunks
from tessel.node._streams.pipe import Pipe, as_writable
from tessel.node.base import encodings
from tessel.node.base.arguments import whole_number

if TYPE_CHECKING:
    from tessel.node._streams.file_sink import Writes
    from tessel.node._streams.writable import Writable
    from tessel.node.events import Listener

HIGH_WATER_MARK = 64 * 1024  # bytes to buffer before `push` returns False; as in Node
MOST_READ = 2**30  # bytes of one `read`; as in Node


class Readable(ReadableBuffer):
    """A stream from which a program reads chunks.

    A source calls `push` at any time, or overrides `_read` to push when more is wanted. Events:
    `data` (chunk), `readable`, `end`, `pause`, `resume`, `error`, `close`. It is also an
    asynchronous iterator over its chunks.
    """

    readable_object_mode = False  # Node's name; chunks are always bytes or text

    def __init__(self, *, high_water_mark: int = HIGH_WATER_MARK) -> None:
        super().__init__()
        self.readable_high_water_mark = high_water_mark
        self.readable_flowing: bool | None = None  # None: neither flowing nor paused yet
        self._pipes: dict[Writable, Pipe] = {}
        self._begin_reading()

    # What the source calls.

    def push(self, chunk: Chunk | None, encoding: str | None = None) -> bool:
        """Add a chunk to be read; None ends the stream. Only the stream's source calls this.

        Returns False if the buffer is full or the stream has ended: wait for `_read` before the
        next push. `encoding` decodes text to bytes; None keeps it as text.
        """
        if self.destroyed or self._source is Source.ENDED:
            return False
        if chunk is None:
            return self._push_end()
        self._take_in(self._decoded(_unencoded(chunk, encoding), final=False))
        return self._wants_more()

    def unshift(self, chunk: Chunk | None, encoding: str | None = None) -> bool:
        """Put a chunk back, to be read first; None does nothing.

        Returns whether the buffer is below its limit. `encoding` is as for `push`.
        """
        if chunk is None or self.destroyed or self.readable_ended:
            return False
        chunk = _unencoded(chunk, encoding)
        if self.readable_encoding is not None and isinstance(chunk, bytes):
            chunk = encodings.decoder(self.readable_encoding).decode(chunk, True)
        if chunk:
            self._held.appendleft(chunk)
            self.readable_length += len(chunk)
            self._due.discard("end")
            self._readable_soon()
            self._flow_soon()
        return self.readable_length < self.readable_high_water_mark

    # What the program calls.

    def on(self, event: str, listener: Listener) -> Self:
        """Add a listener. A listener for `data` starts the flow, unless the stream was paused.

        A listener for `readable` stops the flow, as in Node.
        """
        super().on(event, listener)
        return self._listened(event)

    def once(self, event: str, listener: Listener) -> Self:
        """Add a listener that is removed before its first call; it affects the flow as `on`."""
        super().once(event, listener)
        return self._listened(event)

    def resume(self) -> Self:
        """Start the flow: emit `data` for buffered and later chunks.

        As in Node, chunks are lost if there is no `data` listener.
        """
        if self.readable_flowing is not True:
            self.readable_flowing = True
            self._runtime.next_tick(self.emit, "resume")
        self._flow_soon()
        return self

    def pause(self) -> Self:
        """Stop the flow: buffer later chunks until `resume` or `read`."""
        if self.readable_flowing is not False:
            self.readable_flowing = False
            self.emit("pause")
        return self

    def is_paused(self) -> bool:
        """Return whether the stream was paused, and `resume` was not called since."""
        return self.readable_flowing is False

    def read(self, size: int | None = None) -> Chunk | None:
        """Return all buffered bytes or characters, or the first `size` of them.

        Returns None if the buffer is empty or holds fewer than `size`. After the end of the source,
        fewer than `size` are returned. Raises NodeError for a wrong size.
        """
        if size is not None:
            size = whole_number(size, "size", 0, MOST_READ)
        wanted = self.readable_length if size is None else size
        if self._source is Source.ENDED:
            wanted = min(wanted, self.readable_length)
        chunk = self._take_out(wanted) if 0 < wanted <= self.readable_length else None
        self._ask_source()
        self._end_soon()
        return chunk

    def set_encoding(self, encoding: str = encodings.DEFAULT) -> Self:
        """Decode buffered and later chunks to text. Characters are never cut in two.

        `encoding` is one of Node's: utf8, utf16le (ucs2), latin1 (binary), ascii, base64,
        base64url, hex. Raises NodeError for others.
        """
        self._decoder = encodings.decoder(encoding)
        self.readable_encoding = encodings.encoding_name(encoding)
        held, self._held = self._held, deque()
        self.readable_length = 0
        for chunk in held:
            self._hold(self._decoded(chunk, final=False))
        return self

    def pipe(self, destination: Writable | Writes, *, end: bool = True) -> Writable:
        """Write all chunks to `destination`, as fast as it accepts them; then end it.

        Args:
            destination: a stream, or a Python file. A file that was opened by its path is closed
                at the end.
            end: False: do not end the destination.

        Returns:
            The destination. For a file, a stream that writes to it: it emits `finish` when all is
            written, or `error`.

        """
        into = as_writable(destination)
        self._pipes[into] = Pipe(self, into, end=end)
        into.emit("pipe", self)
        if self.readable_flowing is not True:
            self.resume()
        return into

    def unpipe(self, destination: Writable | Writes | None = None) -> Self:
        """Stop writing to a destination of `pipe`; None: to all.

        Without any destination left, the stream is paused.
        """
        for one in list(self._pipes):
            if destination is None or destination in (one, getattr(one, "file", None)):
                self._pipes.pop(one).undo()
                one.emit("unpipe", self)
        if not self._pipes:
            self.pause()
        return self

    @property
    def readable(self) -> bool:
        """True until `end` was emitted or the stream is destroyed."""
        return not self.destroyed and not self.readable_ended

    @property
    def readable_aborted(self) -> bool:
        """True if the stream was destroyed before `end`."""
        return self.destroyed and not self.readable_ended

    def __aiter__(self) -> AsyncIterator[Chunk]:
        """`async for chunk in stream`, in a coroutine that Twisted runs.

        The stream is destroyed when the loop is left early, as in Node.
        """
        return Chunks(self)

    # The flow.

    def _listened(self, event: str) -> Self:
        if event == "data" and self.readable_flowing is not False:
            self.resume()
        elif event == "readable":
            self.readable_flowing = False  # `readable` wins over `data`, as in Node
            self._readable_soon()
            self._ask_source()
        return self

    def _undestroy(self) -> None:
        encoding = self.readable_encoding
        self._begin_reading()
        if encoding is not None:
            self.set_encoding(encoding)
        super()._undestroy()


def _unencoded(chunk: object, encoding: str | None) -> Chunk:
    """Text stays text unless its encoding is named."""
    if isinstance(chunk, str) and encoding is None:
        return chunk
    return encodings.as_bytes(chunk, encoding or encodings.DEFAULT)
