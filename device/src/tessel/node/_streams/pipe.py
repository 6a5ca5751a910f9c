"""Copies a stream to one destination: another stream, or a Python file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tessel.node._streams.base import Chunk, Stream
from tessel.node._streams.file_sink import FileSink
from tessel.node._streams.writable import Writable

if TYPE_CHECKING:
    from tessel.node._streams.readable import Readable
    from tessel.node.events import Listener


class Pipe:
    """Writes the chunks of a stream to a destination, and pauses the stream while that is full.

    `end`: end the destination when the source has ended.
    """

    def __init__(self, source: Readable, destination: Writable, *, end: bool) -> None:
        self._source, self._destination = source, destination
        self._listening: list[tuple[Stream, str, Listener]] = []
        self._waits = False
        self._listen(source, "data", self._on_data)
        if end:
            self._listen(source, "end", self._on_end)
        if isinstance(destination, FileSink):
            self._listen(source, "close", destination.flush)
            if not end:
                self._listen(source, "end", destination.flush)
        self._listen(destination, "drain", self._on_drain)
        for event in ("finish", "close"):
            self._listen(destination, event, self._on_close)

    def undo(self) -> None:
        """Stop writing to the destination: remove all listeners of this pipe."""
        for stream, event, listener in self._listening:
            stream.off(event, listener)

    def _listen(self, stream: Stream, event: str, listener: Listener) -> None:
        stream.add_listener(event, listener)
        self._listening.append((stream, event, listener))

    def _on_data(self, chunk: Chunk) -> None:
        if not self._destination.write(chunk):
            self._waits = True
            self._source.pause()

    def _on_drain(self) -> None:
        if self._waits:
            self._waits = False
            self._source.resume()

    def _on_end(self) -> None:
        self._destination.end()

    def _on_close(self, *_: object) -> None:
        self._source.unpipe(self._destination)


def as_writable(destination: object) -> Writable:
    """Return a stream unchanged, or for a file a FileSink; raises ArgumentTypeError for others."""
    is_stream = hasattr(destination, "emit") and hasattr(destination, "end")
    return destination if is_stream else FileSink(destination)  # type: ignore[return-value]  # by its members
